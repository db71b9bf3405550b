import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytes, bytesOf, percent, span, spanSince } from './quantity.ts';

test('sizes have one unit and at most one digit behind the point', () => {
  const said = [0, 700, 1023, 1536, 20 * 1024, 1023 * 1024, 2 ** 30 * 1.5, 4 * 2 ** 30, 9.99 * 2 ** 30].map(bytes);
  assert.deepEqual(said, ['0 bytes', '700 bytes', '1 kB', '1.5 kB', '20 kB', '1 MB', '1.5 GB', '4 GB', '10 GB']);
  assert.equal(bytesOf(1.5 * 2 ** 30, 4 * 2 ** 30, 'of'), '1.5 of 4 GB');
  assert.equal(bytesOf(200 * 2 ** 20, 4 * 2 ** 30, 'of'), '200 MB of 4 GB');
});

test('durations are rounded down to their biggest unit', () => {
  const said = [-3, 0, 59.9, 60, 3599, 3600, 47 * 3600, 48 * 3600].map(span);
  assert.deepEqual(said, ['0 s', '0 s', '59 s', '1 min', '59 min', '1 h', '47 h', '2 d']);
});

test('a busy desktop may take more than one core', () => {
  assert.deepEqual([0, 3, 42, 2500].map(percent), ['0 %', '< 1 %', '4 %', '250 %']);
});

test('how long ago it was is told in full units, and not where clocks differ a little', () => {
  const at = 1_700_000_000;
  const ago = [-5, 0, 59, 60, 3 * 3600 + 7, 21 * 86_400].map((seconds) => spanSince(at, at + seconds));
  assert.deepEqual(ago, [null, null, null, '1 min', '3 h', '21 d']);
});
