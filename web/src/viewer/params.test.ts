import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bridgeFrom, readParams } from './params.ts';

const page = new URL('https://desks.example/novnc/alice/vnc.html?resize=remote');

test('without parameters the desktop follows the window and connects at once', () => {
  const params = readParams('', '');
  assert.equal(params.size, 'remote');
  assert.ok(params.autoconnect && params.reconnect && params.bell);
  assert.ok(!params.viewOnly && !params.showDot);
  assert.equal(params.quality, null);
});

test('the fragment speaks louder than the query', () => {
  assert.equal(readParams('?resize=off', '#resize=scale&view_only=1').size, 'scale');
  assert.ok(readParams('?view_only=true', '').viewOnly);
});

test('levels outside 0 to 9 are left alone', () => {
  assert.equal(readParams('?quality=10&compression=-1', '').quality, null);
  assert.equal(readParams('?quality=9&compression=0', '').compression, 0);
});

test('the links of old set-ups open the same desktop', () => {
  const bridge = bridgeFrom(page, '', 'alice', 'novnc/alice/websockify');
  assert.deepEqual(bridge, { url: 'wss://desks.example/novnc/alice/websockify' });
});

test('a path below the base path may leave the base path out', () => {
  const below = new URL('http://desks.example/desk/d/alice/work/');
  const url = 'ws://desks.example/desk/d/alice/work/websockify';
  assert.deepEqual(bridgeFrom(below, '/desk', 'alice/work', 'd/alice/work/websockify'), { url });
  assert.deepEqual(bridgeFrom(below, '/desk', 'alice/work', 'desk/d/alice/work/websockify'), { url });
  assert.deepEqual(bridgeFrom(below, '/desk', 'alice/work', null), { url });
});

test('a path to elsewhere is refused', () => {
  const hostile = [
    'https://evil.example/novnc/alice/websockify',
    '//evil.example/d/alice/websockify',
    '../../api/v1/events',
    'elsewhere/socket?token=x',
    'javascript:alert(1)',
    'd/%2e%2e/websockify/x',
  ];
  for (const path of hostile) assert.deepEqual(bridgeFrom(page, '', 'alice', path), { refused: 'bad_path' }, path);
});

test("a path to another person's desktop is refused", () => {
  assert.deepEqual(bridgeFrom(page, '', 'alice', 'novnc/bob/websockify'), { refused: 'other_desktop' });
  assert.deepEqual(bridgeFrom(page, '', 'alice', 'd/alice/work/websockify'), { refused: 'other_desktop' });
});
