import assert from 'node:assert/strict';
import { test } from 'node:test';

import { meaningOf } from './closeCodes.ts';

test('a desktop that ended is not asked for again by itself', () => {
  for (const code of [4001, 4002, 4003, 4403, 4409, 4429]) assert.equal(meaningOf(code).kind, 'ended');
});

test('signing out leads away', () => {
  assert.deepEqual(meaningOf(4401), { kind: 'signed_out' });
});

test('everything else is tried again', () => {
  for (const code of [1000, 1001, 1002, 1006, 1009, 3999]) assert.equal(meaningOf(code).kind, 'dropped');
  assert.equal(meaningOf(1011).kind, 'unreachable');
  assert.equal(meaningOf(4408).kind, 'silent');
  assert.equal(meaningOf(1012).kind, 'restarting');
});
