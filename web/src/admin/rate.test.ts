import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Rate } from './rate.ts';

test('a steady stream has its rate, whatever was sent before', () => {
  const rate = new Rate();
  for (let second = 0; second <= 10; second++) rate.add(second * 1000, 5_000_000 + second * 2048);
  assert.equal(rate.at(10_000), 2048);
});

test('a counter that is not told any more stands still', () => {
  const rate = new Rate();
  rate.add(0, 0);
  rate.add(1000, 4000);
  assert.equal(rate.at(1000), 4000);
  assert.equal(rate.at(2000), 2000);
  assert.equal(rate.at(60_000), 0);
});

test('bytes after a long silence count for the last seconds alone', () => {
  const rate = new Rate();
  rate.add(0, 0);
  rate.add(600_000, 4000);
  assert.equal(rate.at(600_000), 1000);
});

test('a counter that begins anew, as the server did, gives no negative rate', () => {
  const rate = new Rate();
  rate.add(0, 9_000_000);
  rate.add(1000, 100);
  assert.equal(rate.at(1000), 0);
  rate.add(2000, 1124);
  assert.equal(rate.at(2000), 1024);
});

test('a first number says nothing about speed', () => {
  const rate = new Rate();
  assert.equal(rate.at(0), 0);
  rate.add(1000, 5000);
  assert.equal(rate.at(1000), 0);
  assert.equal(rate.at(2000), 0);
});
