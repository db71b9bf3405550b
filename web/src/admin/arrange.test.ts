import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { AdminDesktop, Person } from './adminApi.ts';
import { arranged, arrangedPeople, held, matches, MAX_NAMED, named, pressed, words, type Sortable } from './arrange.ts';

function row(id: string, more: Partial<AdminDesktop> = {}, traffic = 0): Sortable {
  const [owner = '', name = 'main'] = id.split('/');
  const desktop = { id, owner, name, state: 'ready', since: 1, active: 1, cpu: 0, memory: 0, watching: [], ...more };
  return { desktop: desktop as unknown as AdminDesktop, fullName: '', state: 'Running', traffic };
}
const ids = (rows: Sortable[]) => rows.map(({ desktop }) => desktop.id);

test('names are in the order of people, numbers in them as numbers', () => {
  const rows = ['user10', 'user2', 'Anna', 'anna/work'].map((id) => row(id));
  assert.deepEqual(ids(arranged(rows, { column: 'person', descending: false })), ['Anna', 'anna/work', 'user2', 'user10']);
});

test('what is not known comes last, whichever way it is sorted', () => {
  const rows = [row('a', { cpu: null }), row('b', { cpu: 20 }), row('c', { cpu: 900 })];
  assert.deepEqual(ids(arranged(rows, { column: 'cpu', descending: true })), ['c', 'b', 'a']);
  assert.deepEqual(ids(arranged(rows, { column: 'cpu', descending: false })), ['b', 'c', 'a']);
});

test('the longest idle comes first, and what does not run is not idle', () => {
  const rows = [row('a', { active: 500 }), row('b', { active: 100 }), row('c', { state: 'gone', active: 1 })];
  assert.deepEqual(ids(arranged(rows, { column: 'idle', descending: true })), ['b', 'a', 'c']);
});

test('equal rows have one order, so that they do not dance', () => {
  const rows = [row('b'), row('a'), row('c')];
  for (const descending of [true, false]) assert.deepEqual(ids(arranged(rows, { column: 'traffic', descending })), ['a', 'b', 'c']);
});

test('a column’s head turns the order round, and numbers begin with the biggest', () => {
  const person = { column: 'person', descending: false } as const;
  assert.deepEqual(pressed<string>(person, 'cpu'), { column: 'cpu', descending: true });
  assert.deepEqual(pressed<string>(person, 'desktop'), { column: 'desktop', descending: false });
  assert.deepEqual(pressed<string>(person, 'person'), { column: 'person', descending: true });
});

const byId = ({ desktop }: Sortable) => desktop.id;

test('while somebody is at work rows stay where they are', () => {
  const [a, b, c, d] = [row('a'), row('b'), row('c'), row('d')];
  assert.deepEqual(ids(held([c!, a!, b!], [a!, b!, d!], byId)), ['a', 'b', 'd']);
  assert.deepEqual(ids(held([c!, a!], [a!, b!, c!], byId)), ['c', 'a', 'b']);
});

test('one field searches everything, all words have to be there', () => {
  const texts = ['Jürgen Müller', 'jmueller', 'work', 'Asleep', '10.0.0.17'];
  for (const search of ['', '  ', 'muller', 'MÜLLER', 'asleep 10.0', 'work jmu']) assert.ok(matches(words(search), texts), search);
  for (const search of ['muller running', '10.0.0.2']) assert.ok(!matches(words(search), texts), search);
  assert.ok(!matches(words('workasleep'), texts));
});

test('people are sorted by their last sign-in and by their desktops', () => {
  const person = (account: string, ...since: number[]): Person => ({
    account,
    full_name: '',
    is_admin: false,
    sign_ins: since.map((at) => ({ address: '10.0.0.1', since: at, until: at + 1 })),
  });
  const people = [person('a', 1, 9), person('b', 5), person('c')];
  const desktops = (account: string) => ({ a: 0, b: 2, c: 1 })[account] ?? 0;
  const order = (column: 'since' | 'desktops') => arrangedPeople(people, { column, descending: true }, desktops).map(({ account }) => account);
  assert.deepEqual(order('since'), ['a', 'b', 'c']);
  assert.deepEqual(order('desktops'), ['b', 'c', 'a']);
});

test('of many names the first are listed and the others counted', () => {
  const names = Array.from({ length: 20 }, (_, n) => `desktop ${n}`);
  assert.deepEqual(named(names), { first: names.slice(0, MAX_NAMED), more: 20 - MAX_NAMED });
  assert.deepEqual(named(names.slice(0, MAX_NAMED + 1)), { first: names.slice(0, MAX_NAMED + 1), more: 0 });
});
