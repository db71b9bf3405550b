import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Calm } from './calm.ts';

interface Person {
  name: string;
  since: number;
}
const bySince = (all: readonly Person[]) => [...all].sort((a, b) => b.since - a.since);
const byName = (all: readonly Person[]) => [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
const names = (rows: readonly Person[]) => rows.map(({ name }) => name).join(' ');

/** A table of people, each of whom is another object with all news, as the server tells them. */
function table() {
  const calm = new Calm<Person>(({ name }) => name);
  const show = (now: number, since: Record<string, number>, order = bySince) =>
    calm.arrange(now, Object.entries(since).map(([name, since]) => ({ name, since })), [order], order);
  assert.equal(names(show(0, { a: 3, b: 2, c: 1 })), 'a b c');
  return { calm, show };
}

test('rows do not change places while somebody is at work in them', () => {
  const { calm, show } = table();
  calm.atWork(true);
  const held = show(10_000, { c: 9, b: 2, a: 3, d: 8 });
  assert.equal(names(held), 'a b c d');
  assert.equal(held[2]?.since, 9, 'what they say is new');
  assert.equal(names(show(11_000, { c: 9, a: 3 })), 'a c');
  calm.atWork(false);
  assert.equal(names(show(12_000, { c: 9, b: 2, a: 3 })), 'c a b');
});

test('rows do not change places under a pointer that moves', () => {
  const { calm, show } = table();
  calm.moved(9_000);
  assert.equal(names(show(10_000, { a: 3, b: 2, c: 9 })), 'a b c');
  assert.equal(names(show(12_000, { a: 3, b: 2, c: 9 })), 'c a b');
});

test('rows change places every three seconds at most', () => {
  const { show } = table();
  assert.equal(names(show(2_900, { a: 3, b: 2, c: 9 })), 'a b c');
  assert.equal(names(show(3_000, { a: 3, b: 2, c: 9 })), 'c a b');
});

test('another order comes at once, whoever is at work', () => {
  const { calm, show } = table();
  calm.atWork(true);
  assert.equal(names(show(1, { c: 9, a: 3, b: 2 }, byName)), 'a b c');
});
