import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lines, track, type StageTimes } from './stages.ts';

const starting = (stage: 'screen' | 'session' | 'ready' | null) => ({ kind: 'starting' as const, stage, stoppingFirst: false });

test('stages tick off one after the other with their times', () => {
  let times: StageTimes = track({}, starting(null), 1000);
  times = track(times, starting('screen'), 1100);
  assert.deepEqual(lines(times, 1150)[0], { name: 'screen', state: 'active', ms: 150 });
  times = track(times, starting('session'), 1200);
  times = track(times, starting('ready'), 2500);
  assert.deepEqual(lines(times, 9999), [
    { name: 'screen', state: 'done', ms: 200 },
    { name: 'session', state: 'done', ms: 1300 },
    { name: 'ready', state: 'done', ms: null },
  ]);
});

test('a second start counts from its own beginning', () => {
  const first = track({}, starting('session'), 1000);
  const between = track(first, { kind: 'connected' }, 2000);
  assert.equal(track(between, starting('screen'), 5000).screen, 5000);
});
