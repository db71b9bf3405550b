import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Desktop, Notice } from './desktop.ts';
import { keyOf, MAX_REMEMBERED, pieces, readDismissed, toShow, withDismissed } from './notices.ts';

const notice = (number: number, at = 1000): Notice => ({
  number,
  at,
  kind: 'disk',
  message: 'There is little room left.',
  next: null,
  when: null,
  from: null,
});
const desktop = (...notices: Notice[]) => ({ id: 'alice', notices }) as Desktop;

test('a notice that was put away does not come back, and the others stay', () => {
  const one = desktop(notice(1), notice(2));
  assert.deepEqual(toShow(one, []).map(({ number }) => number), [2, 1]);
  const dismissed = withDismissed([], keyOf(one, notice(2)));
  assert.deepEqual(toShow(one, dismissed).map(({ number }) => number), [1]);
});

test('the first notice of a desktop’s next life is another one', () => {
  const before = desktop(notice(1));
  const dismissed = withDismissed([], keyOf(before, notice(1)));
  assert.equal(toShow(desktop(notice(1, 2000)), dismissed).length, 1);
});

test('what is remembered has an end, and what others wrote there does no harm', () => {
  let dismissed: string[] = [];
  for (let n = 0; n < 2 * MAX_REMEMBERED; n++) dismissed = withDismissed(dismissed, `alice 1 ${n}`);
  assert.equal(dismissed.length, MAX_REMEMBERED);
  assert.equal(dismissed.at(-1), `alice 1 ${2 * MAX_REMEMBERED - 1}`);
  for (const text of [null, '', '{', '{}', '7']) assert.deepEqual(readDismissed(text), []);
  assert.deepEqual(readDismissed('["a", 7, "b"]'), ['a', 'b']);
});

test('an older server tells no notices', () => {
  assert.deepEqual(toShow({ id: 'alice' } as Desktop, []), []);
});

test('names of programs stand out', () => {
  assert.deepEqual(pieces('the kernel ended `firefox`.'), ['the kernel ended ', 'firefox', '.']);
});
