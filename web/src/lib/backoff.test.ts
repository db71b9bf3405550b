import assert from 'node:assert/strict';
import { test } from 'node:test';

import { delay, DROPPED, RESTARTING, RESTARTING_TRIES } from './backoff.ts';

const middle = () => 0.5;

test('after a restart the first try comes at once, and none is a second late', () => {
  assert.equal(delay(RESTARTING, 0), 0);
  const waits = Array.from({ length: RESTARTING_TRIES }, (_, attempt) => delay(RESTARTING, attempt, () => 1));
  assert.deepEqual(waits.slice(0, 3), [0, 180, 270]);
  assert.ok(Math.max(...waits) < 1000);
});

test('waits grow and stop growing', () => {
  const waits = Array.from({ length: 20 }, (_, attempt) => delay(DROPPED, attempt, middle));
  assert.deepEqual(waits.slice(0, 3), [500, 800, 1280]);
  assert.equal(waits.at(-1), 10_000);
  assert.deepEqual(waits, waits.toSorted((a, b) => a - b));
});

test('two browsers that lost the same server return at different moments', () => {
  assert.equal(delay(DROPPED, 3, () => 0), 1638);
  assert.ok(delay(DROPPED, 3, () => 0.99) > delay(DROPPED, 3, () => 0.01));
});
