import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { ApiError } from './api.ts';
import { follow, SILENCE_MS } from './events.ts';

/** The browser's `EventSource`, which says what a test has it say. */
class FakeSource extends EventTarget {
  static all: FakeSource[] = [];
  isClosed = false;

  constructor(url: string) {
    super();
    assert.equal(url, '/events');
    FakeSource.all.push(this);
  }

  close(): void {
    this.isClosed = true;
  }

  say(name: string, data = '{}'): void {
    this.dispatchEvent(Object.assign(new Event(name), { data }));
  }
}

beforeEach(() => {
  FakeSource.all = [];
  Object.assign(globalThis, { EventSource: FakeSource });
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
});

/** A page that follows; `answers` is what its questions are answered with, the last one again and again. */
function page(...answers: ('a list' | ApiError)[]) {
  const told: string[] = [];
  const stop = follow<string>({
    url: '/events',
    events: { desktops: () => told.push('news') },
    ask: async () => {
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof ApiError) throw answer;
      return answer ?? '';
    },
    asked: (answer) => told.push(answer),
    signedOut: () => told.push('signed out'),
    reachable: (reachable) => told.push(reachable ? 'live' : 'old'),
  });
  return { told, stop, line: () => FakeSource.all.at(-1) as FakeSource };
}

/** Lets promises that are settled go on. */
const settled = async () => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};

test('a line that says nothing any more is told as that, and another one is opened', async () => {
  const { told, line, stop } = page('a list');
  const first = line();
  first.say('desktops');
  assert.deepEqual(told.splice(0), ['live', 'news']);
  mock.timers.tick(SILENCE_MS - 1);
  assert.deepEqual(told, []);
  mock.timers.tick(1);
  assert.deepEqual(told.splice(0), ['old']);
  assert.ok(first.isClosed);
  await settled();
  assert.deepEqual(told.splice(0), ['live', 'a list']);
  assert.notEqual(line(), first);
  stop();
});

test('a line is not dead while the server says that it is alive', () => {
  const { told, line, stop } = page('a list');
  for (let quarter = 0; quarter < 40; quarter++) {
    mock.timers.tick(15_000);
    line().say('alive');
  }
  assert.deepEqual(told, []);
  assert.equal(FakeSource.all.length, 1);
  stop();
});

test('a line that never comes up is given up as well', async () => {
  const { told, stop } = page('a list');
  mock.timers.tick(SILENCE_MS);
  await settled();
  assert.deepEqual(told, ['old', 'live', 'a list']);
  assert.equal(FakeSource.all.length, 2);
  stop();
});

test('while the network is away it asks again until it is back', async () => {
  const away = new ApiError('unreachable', '');
  const { told, stop } = page(away, away, 'a list');
  mock.timers.tick(SILENCE_MS);
  for (let second = 0; second < 5; second++) {
    await settled();
    mock.timers.tick(1_000);
  }
  assert.deepEqual(told, ['old', 'old', 'old', 'live', 'a list']);
  stop();
});

test('who was signed out meanwhile is told so', async () => {
  const { told } = page(new ApiError('signed_out', ''));
  mock.timers.tick(SILENCE_MS);
  await settled();
  assert.deepEqual(told, ['old', 'signed out']);
  assert.equal(FakeSource.all.length, 1);
});

test('a page that stops following hears and asks nothing more', async () => {
  const { told, line, stop } = page('a list');
  stop();
  assert.ok(line().isClosed);
  mock.timers.tick(10 * SILENCE_MS);
  await settled();
  assert.deepEqual(told, []);
});
