import assert from 'node:assert/strict';
import { test } from 'node:test';

import { firstFreeName, nameProblem } from './newDesktop.ts';

test('names follow the server’s rule', () => {
  for (const name of ['work', '2', 'a_b-c', 'x'.repeat(32)]) assert.equal(nameProblem(name, []), 'none', name);
  for (const name of ['', 'Work', '-a', 'a b', 'ä', '../x', 'x'.repeat(33)]) assert.equal(nameProblem(name, []), 'bad', name);
  assert.equal(nameProblem('work', ['main', 'work']), 'taken');
});

test('a free name is proposed', () => {
  assert.equal(firstFreeName(['main']), 'work');
  assert.equal(firstFreeName(['main', 'work', 'desktop-2']), 'desktop-3');
});
