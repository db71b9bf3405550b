// Everybody's desktops and sign-ins, live, with what the admin does to them.

import { untrack } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';

import { ApiError } from '../lib/api.ts';
import { follow } from '../lib/events.ts';
import { t } from '../texts/index.ts';
import type { Act, AdminApi, AdminDesktop, Changes, DesktopsAnswer, PeopleAnswer, Person } from './adminApi.ts';
import type { Sortable } from './arrange.ts';
import { Rate } from './rate.ts';

/** Traffic is worked out anew so often. */
const TICK_MS = 1_000;
/** A page that nobody has looked at for this long stops listening. */
const HIDDEN_PATIENCE_MS = 30_000;
/** So many requests of one act run at once. */
const AT_ONCE = 4;

/** One desktop's line: changes of its own change nothing else. */
export class Row implements Sortable {
  desktop: AdminDesktop = $state.raw({} as AdminDesktop);
  traffic = $state(0);
  readonly id: string;
  readonly state = $derived(t.desktop.states[this.desktop.state]);
  private readonly rate = new Rate();
  private readonly overview: Overview;

  constructor(desktop: AdminDesktop, overview: Overview) {
    this.id = desktop.id;
    this.overview = overview;
    this.now(desktop);
  }

  get fullName(): string {
    return this.overview.nameOf(this.desktop.owner);
  }

  /** What a search looks at. */
  get texts(): string[] {
    const { owner, name, profile, watching } = this.desktop;
    const addresses = watching.flatMap(({ account, address }) => [account, address]);
    return [this.fullName, owner, name === 'main' ? t.desktop.main : name, profile ?? '', this.state, ...addresses];
  }

  now(desktop: AdminDesktop): void {
    this.desktop = desktop;
    this.rate.add(performance.now(), desktop.received + desktop.sent);
  }

  tick(at: number): void {
    this.traffic = this.rate.at(at);
  }
}

export class Overview {
  /** By the desktops' ids. */
  readonly rows = new SvelteMap<string, Row>();
  people: Person[] = $state.raw([]);
  /** The list is there, and that of people, from which their names are. */
  loaded = $state(false);
  peopleLoaded = $state(false);
  reachable = $state(true);
  /** This person is no admin (any more). */
  refused = $state(false);
  /** What the last act failed with, and what it did. */
  problem: string | null = $state(null);
  done: string | null = $state(null);
  /** Counts the news, so that whoever arranges rows knows that there are some. */
  news = $state(0);

  private readonly names = $derived(new Map(this.people.map((person) => [person.account, person.full_name])));
  private readonly api: AdminApi;
  private readonly signedOut: () => void;
  private unwatch: (() => void) | null = null;
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly tickTimer: ReturnType<typeof setInterval>;

  constructor(api: AdminApi, signedOut: () => void) {
    this.api = api;
    this.signedOut = signedOut;
    this.tickTimer = setInterval(() => this.tick(), TICK_MS);
    this.watch();
  }

  /** As the people's list says it; empty for who is not signed in. */
  nameOf(account: string): string {
    return this.names.get(account) ?? '';
  }

  /** The page came to the front or left it. */
  seen(visible: boolean): void {
    clearTimeout(this.hiddenTimer);
    if (visible) this.watch();
    else this.hiddenTimer = setTimeout(() => this.stop(), HIDDEN_PATIENCE_MS);
  }

  end(): void {
    clearInterval(this.tickTimer);
    clearTimeout(this.hiddenTimer);
    this.stop();
  }

  /** Does it to each; what failed is told for all of them together. */
  act(ids: string[], what: Act): Promise<void> {
    return this.each(ids, t.admin.did[what], async (id) => this.learn((await this.api.act(id, what))));
  }

  message(ids: string[], text: string): Promise<void> {
    return this.each(ids, t.admin.did.message, (id) => this.api.message(id, text));
  }

  endSignIns(account: string): Promise<void> {
    return this.each([account], t.admin.did.end, (name) => this.api.endSignIns(name));
  }

  private async each(all: string[], did: (n: number) => string, act: (one: string) => Promise<void>): Promise<void> {
    this.problem = null;
    this.done = null;
    const failures: string[] = [];
    const left = [...all];
    const work = async () => {
      for (let one = left.shift(); one !== undefined; one = left.shift()) {
        try {
          await act(one);
        } catch (error) {
          if (error instanceof ApiError && error.code === 'signed_out') return this.signedOut();
          failures.push((error as Error).message);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const worked = all.length - failures.length;
    if (failures.length === 0) this.done = did(worked);
    else this.problem = all.length === 1 ? (failures[0] ?? '') : t.admin.someFailed(failures.length, all.length, failures[0] ?? '');
  }

  private stop(): void {
    this.unwatch?.();
    this.unwatch = null;
  }

  private watch(): void {
    this.unwatch ??= follow<[DesktopsAnswer, PeopleAnswer]>({
      url: this.api.eventsUrl,
      events: {
        desktops: (whole: DesktopsAnswer) => this.learnAll(whole),
        changes: (changes: Changes) => this.learnChanges(changes),
        people: (people: PeopleAnswer) => this.learnPeople(people),
      },
      ask: () => Promise.all([this.api.desktops(), this.api.people()]),
      asked: ([desktops, people]) => {
        this.learnAll(desktops);
        this.learnPeople(people);
      },
      signedOut: this.signedOut,
      refused: () => (this.refused = true),
      reachable: (reachable) => (this.reachable = reachable),
    });
  }

  private learnAll({ desktops }: DesktopsAnswer): void {
    const there = new Set(desktops.map(({ id }) => id));
    for (const id of [...this.rows.keys()]) if (!there.has(id)) this.rows.delete(id);
    for (const desktop of desktops) this.learn(desktop);
    this.loaded = true;
    this.news++;
  }

  private learnChanges({ desktops, gone }: Changes): void {
    for (const id of gone) this.rows.delete(id);
    for (const desktop of desktops) this.learn(desktop);
    this.news++;
  }

  private learnPeople({ people }: PeopleAnswer): void {
    this.people = people;
    this.peopleLoaded = true;
    this.news++;
  }

  private learn(desktop: AdminDesktop): void {
    const row = untrack(() => this.rows.get(desktop.id));
    if (row) row.now(desktop);
    else this.rows.set(desktop.id, new Row(desktop, this));
  }

  private tick(): void {
    if (document.hidden) return;
    const now = performance.now();
    for (const row of this.rows.values()) row.tick(now);
  }
}
