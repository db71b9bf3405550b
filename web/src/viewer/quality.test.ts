import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fixedLevel, levelFor } from './quality.ts';

test('automatic is sharper near the server than far from it', () => {
  const [near, middle, far] = [5, 60, 400].map((ms) => levelFor('auto', ms, null).quality);
  assert.ok(near! > middle! && middle! > far!);
});

test('the address may fix either level alone', () => {
  assert.equal(fixedLevel(null, null), null);
  assert.deepEqual(levelFor('fixed', 5, fixedLevel(3, null)), { quality: 3, compression: 2 });
});
