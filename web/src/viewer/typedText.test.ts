import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keysymOf, keysymOfKey } from './keysyms.ts';
import { typedBetween } from './typedText.ts';

test('typing adds, deleting erases', () => {
  assert.deepEqual(typedBetween('__', '__h'), { erased: 0, added: ['h'] });
  assert.deepEqual(typedBetween('__', '_'), { erased: 1, added: [] });
});

test('a corrected word is taken back to where it differs', () => {
  assert.deepEqual(typedBetween('teh', 'the '), { erased: 2, added: ['h', 'e', ' '] });
});

test('a character outside the basic plane is one key', () => {
  assert.deepEqual(typedBetween('', '😀'), { erased: 0, added: ['😀'] });
  assert.equal(keysymOf('😀'), 0x0101f600);
});

test('characters become their keysyms', () => {
  assert.deepEqual(['a', 'é', '€', '\n'].map(keysymOf), [0x61, 0xe9, 0x010020ac, 0xff0d]);
});

test('only keys without a character have names', () => {
  assert.equal(keysymOfKey('F12'), 0xffc9);
  assert.equal(keysymOfKey('a'), null);
});
