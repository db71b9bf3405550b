import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import type { Desktop } from '../lib/desktop.ts';
import { en } from '../texts/en.ts';
import { open, step, type Connection, type Event } from './connection.ts';
import { startWatchdog, type Watched } from './watchdog.ts';

const NOW = 1_700_000_000_000;
const READY: Event = { type: 'desktop', desktop: { id: 'alice', state: 'ready' } as Desktop };

/** The viewer's page on a network that a test takes away: a clock, a connection and a desktop behind it. */
class Page {
  clock = 0;
  network: 'there' | 'gone' = 'there';
  isDesktopAlive = true;
  hidden = false;
  probes = 0;
  roundTrips: number[] = [];
  effects: string[] = [];
  socket: Watched | null = { lastSentAt: 0, lastReceivedAt: 0 };
  connection: Connection = open({ autoconnect: true, persistent: true });
  stop: () => void;

  constructor() {
    const page = this;
    Object.assign(globalThis, {
      document: {
        get hidden() {
          return page.hidden;
        },
      },
      fetch: () => page.probe(),
    });
    mock.method(performance, 'now', () => this.clock);
    // A probe is given up after as long as it is given.
    mock.method(AbortSignal, 'timeout', (ms: number) => ((this.patience = ms), new AbortController().signal));
    for (const event of [READY, { type: 'frame' } as Event]) this.dispatch(event);
    this.effects = [];
    this.stop = startWatchdog({
      healthUrl: '/healthz',
      watched: () => this.socket,
      measured: (ms) => this.roundTrips.push(ms),
      dead: () => {
        this.socket = null;
        this.dispatch({ type: 'socket_closed', code: 1006, reason: '' });
      },
      ask: () => {
        if (this.isDesktopAlive) this.hear();
        return true;
      },
      silent: () => this.dispatch({ type: 'silent' }),
      answers: () => this.dispatch({ type: 'answers' }),
    });
  }

  private patience = 0;

  private probe(): Promise<void> {
    this.probes++;
    if (this.network === 'there') return Promise.resolve();
    return new Promise((_, reject) => setTimeout(() => reject(new Error('too late')), this.patience));
  }

  dispatch(event: Event): void {
    const { next, effects } = step(this.connection, event, NOW + this.clock);
    this.connection = next;
    this.effects.push(...effects.map((effect) => effect.do));
  }

  type(): void {
    if (this.socket) this.socket.lastSentAt = this.clock;
  }

  hear(): void {
    if (this.socket) this.socket.lastReceivedAt = this.clock + 1;
  }

  /** What the page says of its connection. */
  get words(): string {
    const { phase } = this.connection;
    return phase.kind === 'lost' ? en.viewer[phase.why] : phase.kind;
  }

  async wait(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clock += 1_000;
      mock.timers.tick(1_000);
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }
}

let page: Page;
beforeEach(() => {
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  page = new Page();
});
afterEach(() => {
  page.stop();
  mock.timers.reset();
  mock.restoreAll();
});

test('a network that goes away without a word is told after the next key, and the page connects again', async () => {
  await page.wait(10);
  page.network = 'gone';
  page.type();
  await page.wait(14);
  assert.equal(page.words, 'Your connection dropped.');
  assert.deepEqual(page.effects, ['retry_after']);

  // The network is back: it asks what became of the desktop, connects and shows it.
  page.network = 'there';
  page.dispatch({ type: 'retry' });
  page.dispatch(READY);
  page.socket = { lastSentAt: page.clock, lastReceivedAt: page.clock };
  page.dispatch({ type: 'frame' });
  assert.deepEqual(page.effects, ['retry_after', 'check', 'connect']);
  await page.wait(60);
  assert.equal(page.words, 'connected');
});

test('a network that goes away is told though nobody types', async () => {
  await page.wait(3);
  page.network = 'gone';
  await page.wait(30);
  assert.equal(page.words, 'Your connection dropped.');
});

test('a desktop of which nothing is new is left alone, and the way to it is measured', async () => {
  await page.wait(120);
  assert.equal(page.words, 'connected');
  assert.ok(page.roundTrips.length >= 5, String(page.roundTrips));
});

test('what arrives while a probe is under way saves the connection', async () => {
  await page.wait(3);
  page.network = 'gone';
  await page.wait(20);
  page.hear();
  await page.wait(8);
  assert.equal(page.words, 'connected');
});

test('a desktop that does not answer behind a network that does is told as that until it answers', async () => {
  page.isDesktopAlive = false;
  await page.wait(10);
  page.type();
  await page.wait(16);
  assert.equal(page.words, 'Your desktop does not answer.');
  page.hear();
  await page.wait(2);
  assert.equal(page.words, 'connected');
});

test('a page that is not seen asks nothing', async () => {
  page.hidden = true;
  await page.wait(120);
  assert.equal(page.probes, 0);
});
