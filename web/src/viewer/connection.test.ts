import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Desktop } from '../lib/desktop.ts';
import { open, step, type Connection, type Effect, type Event } from './connection.ts';

const NOW = 1_700_000_000_000;

function desktop(state: Desktop['state'], more: Partial<Desktop> = {}): Event {
  return {
    type: 'desktop',
    desktop: {
      id: 'alice',
      owner: 'alice',
      name: 'main',
      profile: null,
      kind: 'session',
      url: '/d/alice/',
      state,
      stage: null,
      since: null,
      message: null,
      log: null,
      viewers: 0,
      ...more,
    },
  };
}

function run(events: Event[], from = open({ autoconnect: true, persistent: true })) {
  let connection: Connection = from;
  const effects: Effect['do'][] = [];
  for (const event of events) {
    const stepped = step(connection, event, NOW);
    connection = stepped.next;
    effects.push(...stepped.effects.map((effect) => effect.do));
  }
  return { connection, phase: connection.phase, effects };
}

const started: Event = { ...desktop('starting', { stage: 'screen' }), type: 'started' } as Event;
const closed = (code: number, reason = ''): Event => ({ type: 'socket_closed', code, reason });
const connected = [desktop('ready'), { type: 'frame' } as Event];

test('an absent desktop is started once, connected when its screen is up, shown when it is ready', () => {
  const { phase, effects } = run([
    desktop('absent'),
    desktop('absent'),
    started,
    desktop('starting', { stage: 'session' }),
    { type: 'frame' },
  ]);
  assert.deepEqual(effects, ['start', 'connect']);
  assert.deepEqual(phase, { kind: 'starting', stage: 'session', stoppingFirst: false });
  const done = run([desktop('absent'), started, desktop('starting', { stage: 'session' }), { type: 'frame' }, desktop('ready')]);
  assert.equal(done.phase.kind, 'connected');
});

test('a running desktop is connected without stages', () => {
  const { phase, effects } = run([desktop('ready')]);
  assert.deepEqual(effects, ['connect']);
  assert.equal(phase.kind, 'opening');
  assert.equal(run(connected).phase.kind, 'connected');
});

test('an old failure is started again, a fresh one is shown', () => {
  assert.deepEqual(run([desktop('failed', { since: NOW / 1000 - 61 })]).effects, ['start']);
  const fresh = run([desktop('failed', { since: NOW / 1000 - 5, message: 'No such program.', log: 'sh: x' })]);
  assert.deepEqual(fresh.phase, { kind: 'failed', message: 'No such program.', log: 'sh: x' });
  assert.deepEqual(fresh.effects, []);
});

test('trying again starts a desktop that has just failed', () => {
  const failed = desktop('failed', { since: NOW / 1000 - 1 });
  assert.deepEqual(run([failed, { type: 'wanted' }, failed]).effects, ['disconnect', 'check', 'start']);
  const fromPortal = open({ autoconnect: true, persistent: true, insist: true });
  assert.deepEqual(run([failed], fromPortal).effects, ['start']);
});

test('a failure while it starts is shown with the log', () => {
  const { phase } = run([desktop('absent'), started, desktop('failed', { message: 'It ended at once.', log: 'end' })]);
  assert.deepEqual(phase, { kind: 'failed', message: 'It ended at once.', log: 'end' });
});

test('a failure while it starts is one too when the socket tells it first', () => {
  const screen = desktop('starting', { stage: 'session' });
  const failed = desktop('failed', { message: 'No such program.', log: 'end' });
  const early = run([desktop('absent'), started, screen, closed(4002, 'No such program.')]);
  assert.deepEqual(early.phase, { kind: 'failed', message: 'No such program.', log: null });
  const stale = run([screen], early.connection);
  assert.equal(stale.phase.kind, 'failed');
  const known = { kind: 'failed', message: 'No such program.', log: 'end' };
  assert.deepEqual(run([failed], stale.connection).phase, known);
  // Closed before anybody knew why.
  const unknown = run([desktop('absent'), started, screen, closed(4001, 'The desktop was stopped.')]);
  assert.equal(unknown.phase.kind, 'ended');
  assert.deepEqual(run([failed], unknown.connection).phase, known);
  // Its agent says that it stops before the launcher says why.
  const stopping = run([desktop('absent'), started, screen, desktop('stopping')]);
  const told = run([closed(4002, 'No such program.')], stopping.connection);
  assert.equal(told.phase.kind, 'failed');
  const old = desktop('failed', { message: 'No such program.', log: 'end', since: 1 });
  const listed = run([old], stopping.connection);
  assert.deepEqual(listed.phase, known);
  assert.deepEqual(listed.effects, ['disconnect']);
  // Another window tries again.
  const again = run([failed, screen], early.connection);
  assert.equal(again.phase.kind, 'starting');
});

test('what was known before the start does not count as its result', () => {
  const { phase } = run([desktop('failed', { since: 1 }), desktop('failed', { since: 1 })]);
  assert.equal(phase.kind, 'starting');
});

test('a dropped connection is tried again after asking what became of the desktop', () => {
  const lost = run([...connected, closed(1006)]);
  assert.equal(lost.phase.kind, 'lost');
  const back = run([{ type: 'retry' }, desktop('ready'), { type: 'frame' }], lost.connection);
  assert.deepEqual(back.effects, ['check', 'connect']);
  assert.equal(back.phase.kind, 'connected');
  assert.equal(back.connection.attempt, 0);
});

test('a restart is still called a restart while the server refuses', () => {
  const { phase } = run([...connected, closed(1012), { type: 'retry' }, { type: 'check_failed' }]);
  assert.ok(phase.kind === 'lost' && phase.why === 'restarting' && phase.retryAt !== null);
});

test('a desktop that is asleep is connected, which wakes it, and shown by its picture', () => {
  const opening = run([desktop('frozen')]);
  assert.deepEqual(opening.effects, ['connect']);
  assert.deepEqual(opening.phase, { kind: 'opening', waking: true });
  const told = run([desktop('ready')], opening.connection);
  assert.deepEqual(told.phase, { kind: 'opening', waking: true });
  const shown = run([{ type: 'frame' }], opening.connection);
  assert.deepEqual([shown.phase.kind, shown.connection.desktop?.state], ['connected', 'ready']);
});

test('one that fell asleep while the connection was away is woken up by the next', () => {
  const lost = run([...connected, closed(1006)]);
  const back = run([{ type: 'retry' }, desktop('frozen'), { type: 'frame' }], lost.connection);
  assert.deepEqual(back.effects, ['check', 'connect']);
  assert.equal(back.phase.kind, 'connected');
});

test('one that is put to sleep while it is looked at stays on the page, and is known to sleep', () => {
  const { phase, connection } = run([...connected, desktop('frozen')]);
  assert.deepEqual([phase.kind, connection.desktop?.state], ['connected', 'frozen']);
  // It does not answer, of course, and the news of its sleep may come after that was noticed.
  assert.equal(run([{ type: 'silent' }], connection).phase.kind, 'connected');
  assert.equal(run([...connected, { type: 'silent' }, desktop('frozen')]).phase.kind, 'connected');
});

test('a stale "running" does not bring back what was just stopped', () => {
  const { phase, effects } = run([...connected, closed(4001, 'The desktop was stopped.'), desktop('ready')]);
  assert.deepEqual(phase, { kind: 'ended', cause: 'stopped', message: 'The desktop was stopped.', log: null });
  assert.deepEqual(effects, ['connect']);
});

test('a desktop that another window starts again comes back', () => {
  const { phase, effects } = run([...connected, closed(4001), desktop('gone'), desktop('starting', { stage: 'screen' })]);
  assert.equal(phase.kind, 'starting');
  assert.deepEqual(effects, ['connect']);
});

test('a crash shows its log when it arrives', () => {
  const { phase } = run([...connected, closed(4002, 'The desktop crashed.'), desktop('failed', { log: 'segfault' })]);
  assert.ok(phase.kind === 'ended' && phase.log === 'segfault' && phase.message === 'The desktop crashed.');
});

test('one that was ended for a reason of its own says that reason, however late it is known', () => {
  const why = 'The desktop was ended because the hours for today are used up.';
  for (const reason of [why, 'The desktop was stopped.']) {
    const { phase } = run([...connected, closed(4001, reason), desktop('gone', { message: why })]);
    assert.deepEqual(phase, { kind: 'ended', cause: 'stopped', message: why, log: null });
  }
});

test('who comes while programs are asked to close is let in to answer them', () => {
  const closing = desktop('stopping', { closing: true });
  const { phase, effects, connection } = run([closing, { type: 'frame' }]);
  assert.equal(phase.kind, 'connected');
  assert.deepEqual(effects, ['connect']);
  const why = 'The desktop was ended because nobody had used it for 2 hours.';
  const over = run([closed(4001, why), desktop('gone', { message: why })], connection);
  assert.deepEqual(over.phase, { kind: 'ended', cause: 'stopped', message: why, log: null });
  assert.deepEqual(over.effects, []);
  const back = run([...connected, closed(1006), { type: 'retry' }, closing, { type: 'frame' }]);
  assert.equal(back.phase.kind, 'connected');
  assert.deepEqual(back.effects, ['connect', 'retry_after', 'check', 'connect']);
});

test('one that may not be woken sleeps on, and the page says why until the person tries again', () => {
  const why = 'The 2 hours for today are used up.';
  const denied = run([desktop('frozen'), closed(4403, why), desktop('frozen')]);
  assert.deepEqual(denied.phase, { kind: 'ended', cause: 'denied', message: why, log: null });
  assert.deepEqual(denied.effects, ['connect']);
  assert.deepEqual(run([{ type: 'wanted' }, desktop('frozen')], denied.connection).effects, ['disconnect', 'check', 'connect']);
});

test('a replaced window waits for its person', () => {
  const replaced = run([...connected, closed(4409), desktop('gone'), desktop('ready')]);
  assert.ok(replaced.phase.kind === 'ended' && replaced.phase.cause === 'replaced');
  const again = run([{ type: 'wanted' }, desktop('ready'), { type: 'frame' }], replaced.connection);
  assert.equal(again.phase.kind, 'connected');
});

test('signing out ends everything', () => {
  const { effects, connection } = run([...connected, closed(4401)]);
  assert.deepEqual(effects, ['connect', 'sign_in']);
  assert.deepEqual(run([desktop('ready')], connection).effects, []);
  assert.deepEqual(run([{ type: 'signed_out' }]).effects, ['disconnect', 'sign_in']);
});

test('with reconnect off only the person connects again', () => {
  const { phase, effects } = run([...connected, closed(1006)], open({ autoconnect: true, persistent: false }));
  assert.ok(phase.kind === 'lost' && phase.retryAt === null && !phase.trying);
  assert.deepEqual(effects, ['connect']);
});

test('with autoconnect off nothing happens before the person connects', () => {
  const idle = run([desktop('absent')], open({ autoconnect: false, persistent: true }));
  assert.deepEqual(idle.effects, []);
  assert.deepEqual(run([{ type: 'wanted' }, desktop('absent')], idle.connection).effects, ['disconnect', 'check', 'start']);
});

test('sockets refused while the session starts are tried again quietly, a few times', () => {
  const starting = run([desktop('absent'), started, desktop('starting', { stage: 'session' }), closed(1006)]);
  assert.equal(starting.phase.kind, 'starting');
  assert.equal(starting.effects.at(-1), 'retry_after');
  const refused: Event[] = [{ type: 'retry' }, desktop('ready'), closed(1006)];
  assert.equal(run([...refused, ...refused, ...refused], starting.connection).phase.kind, 'lost');
});

test('a desktop that does not answer is said at once, and is there again when it does', () => {
  const opening = run([desktop('ready'), closed(4408, 'Your desktop does not answer.')]);
  assert.ok(opening.phase.kind === 'lost' && opening.phase.why === 'silent' && opening.phase.retryAt !== null);
  const silent = run([...connected, { type: 'silent' }]);
  assert.ok(silent.phase.kind === 'lost' && silent.phase.why === 'silent');
  assert.deepEqual(silent.effects, ['connect']);
  assert.deepEqual(run([{ type: 'retry' }, desktop('ready')], silent.connection).effects, []);
  assert.equal(run([{ type: 'answers' }], silent.connection).phase.kind, 'connected');
  const ended = run([closed(4001, 'The desktop was stopped.'), { type: 'answers' }], silent.connection);
  assert.equal(ended.phase.kind, 'ended');
  const stopped = run([desktop('gone')], opening.connection);
  assert.ok(stopped.phase.kind === 'ended' && stopped.phase.cause === 'stopped');
  assert.deepEqual(run([{ type: 'retry' }], stopped.connection).effects, []);
  assert.equal(run([{ type: 'wanted' }, desktop('gone'), started], stopped.connection).phase.kind, 'starting');
});

test('news of the end before the start is no end of what was started', () => {
  const started: Event = { type: 'started', desktop: (desktop('starting', { since: 9 }) as { desktop: Desktop }).desktop };
  const over = run([closed(4001, 'The desktop was stopped.'), desktop('gone', { since: 7 })]);
  const again = run([{ type: 'wanted' }, desktop('gone', { since: 7 }), started, desktop('gone', { since: 7 })], over.connection);
  assert.equal(again.phase.kind, 'starting');
  assert.equal(run([desktop('gone', { since: 9 })], again.connection).phase.kind, 'ended');
});
