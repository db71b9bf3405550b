// Which rows are shown, and in which order.

import type { AdminDesktop, Person } from './adminApi.ts';

export type Column = 'person' | 'desktop' | 'state' | 'since' | 'idle' | 'cpu' | 'memory' | 'traffic' | 'viewers';
export type PeopleColumn = 'person' | 'account' | 'since' | 'addresses' | 'desktops';

export interface Sort<C extends string> {
  column: C;
  descending: boolean;
}

/** What of a row is looked at; rows of desktops have it. */
export interface Sortable {
  desktop: AdminDesktop;
  fullName: string;
  /** The word for its state. */
  state: string;
  /** Bytes a second. */
  traffic: number;
}

/** The first look at numbers is at the biggest. */
const DESCENDING_FIRST: readonly string[] = ['cpu', 'memory', 'traffic', 'viewers', 'idle', 'desktops'];

/** The next order when a column's head is pressed. */
export function pressed<C extends string>(now: Sort<C>, column: C): Sort<C> {
  if (now.column === column) return { column, descending: !now.descending };
  return { column, descending: DESCENDING_FIRST.includes(column) };
}

const COLLATOR = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** What it is sorted by; `null` is unknown and comes last in both directions. */
function valueOf(row: Sortable, column: Column): string | number | null {
  const { desktop } = row;
  switch (column) {
    case 'person':
      return row.fullName || desktop.owner;
    case 'desktop':
      // Everybody's main one comes before the others.
      return desktop.name === 'main' ? '' : desktop.name;
    case 'state':
      return row.state;
    case 'since':
      return desktop.since;
    case 'idle':
      // The longer ago the last sign of life, the longer it is idle.
      return desktop.active == null || !isAlive(desktop) ? null : -desktop.active;
    case 'cpu':
      return desktop.cpu;
    case 'memory':
      return desktop.memory;
    case 'traffic':
      return row.traffic;
    case 'viewers':
      return desktop.watching.length;
  }
}

/** Whether it makes sense to say how long it has been idle. */
export function isAlive(desktop: AdminDesktop): boolean {
  return desktop.state === 'ready' || desktop.state === 'frozen';
}

export function arranged<R extends Sortable>(rows: readonly R[], sort: Sort<Column>): R[] {
  return sorted(
    rows,
    sort.descending,
    (row) => valueOf(row, sort.column),
    (row) => row.desktop.id,
  );
}

export function arrangedPeople(people: readonly Person[], sort: Sort<PeopleColumn>, desktopsOf: (account: string) => number): Person[] {
  const value = (person: Person) => {
    switch (sort.column) {
      case 'person':
        return person.full_name || person.account;
      case 'account':
        return person.account;
      case 'since':
        return lastSignIn(person);
      case 'addresses':
        return addressesOf(person).join(' ');
      case 'desktops':
        return desktopsOf(person.account);
    }
  };
  return sorted(people, sort.descending, value, (person) => person.account);
}

export function lastSignIn(person: Person): number | null {
  return person.sign_ins.length > 0 ? Math.max(...person.sign_ins.map(({ since }) => since)) : null;
}

/** Each address once. */
export function addressesOf(person: Person): string[] {
  return [...new Set(person.sign_ins.map(({ address }) => address))];
}

function sorted<R>(rows: readonly R[], descending: boolean, value: (row: R) => string | number | null, id: (row: R) => string): R[] {
  const keyed = rows.map((row) => ({ row, value: value(row), id: id(row) }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null) || COLLATOR.compare(a.id, b.id);
    const order = typeof a.value === 'string' ? COLLATOR.compare(a.value, String(b.value)) : a.value - Number(b.value);
    return (descending ? -order : order) || COLLATOR.compare(a.id, b.id);
  });
  return keyed.map(({ row }) => row);
}

/**
 * The rows in the order in which they were before, as somebody is at work in them; what is gone is
 * left out, what is new comes last.
 */
export function held<R>(before: readonly R[], now: readonly R[], key: (row: R) => string): R[] {
  const left = new Map(now.map((row) => [key(row), row]));
  const kept = before.flatMap((row) => {
    const same = left.get(key(row));
    left.delete(key(row));
    return same === undefined ? [] : [same];
  });
  return [...kept, ...left.values()];
}

/** So many names are listed before the others are counted. */
export const MAX_NAMED = 8;

/** The names to list, and how many more there are; never one alone, which a name would say as shortly. */
export function named(names: readonly string[]): { first: readonly string[]; more: number } {
  if (names.length <= MAX_NAMED + 1) return { first: names, more: 0 };
  return { first: names.slice(0, MAX_NAMED), more: names.length - MAX_NAMED };
}

/** What was typed, as words that all have to be found. */
export function words(search: string): string[] {
  return plain(search).split(/\s+/).filter(Boolean);
}

/** Whether all words are in one of the texts or another. */
export function matches(wanted: readonly string[], texts: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const text = plain(texts.join('\n'));
  return wanted.every((word) => text.includes(word));
}

/** Small letters without accents, so that `muller` finds `Müller`. */
function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}
