// X keysyms of what the on-screen keyboard and the toolbar type.

export const KEYS = {
  ctrl: { keysym: 0xffe3, code: 'ControlLeft' },
  alt: { keysym: 0xffe9, code: 'AltLeft' },
  super: { keysym: 0xffeb, code: 'MetaLeft' },
  tab: { keysym: 0xff09, code: 'Tab' },
  esc: { keysym: 0xff1b, code: 'Escape' },
} as const;

export type KeyName = keyof typeof KEYS;

export const BACKSPACE = 0xff08;
const RETURN = 0xff0d;
const TAB = 0xff09;

/** Keys without a character, by `KeyboardEvent.key`. */
const NAMED: Record<string, number> = {
  Enter: RETURN,
  Tab: TAB,
  Backspace: BACKSPACE,
  Escape: 0xff1b,
  Delete: 0xffff,
  Home: 0xff50,
  ArrowLeft: 0xff51,
  ArrowUp: 0xff52,
  ArrowRight: 0xff53,
  ArrowDown: 0xff54,
  PageUp: 0xff55,
  PageDown: 0xff56,
  End: 0xff57,
};

/** The keysym of one character: itself in Latin-1, else X's Unicode range. */
export function keysymOf(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point === 0x0a || point === 0x0d) return RETURN;
  if (point === 0x09) return TAB;
  const isLatin1 = (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff);
  return isLatin1 ? point : 0x0100_0000 | point;
}

/** The keysym of a key that types no character; `null` for all others. */
export function keysymOfKey(key: string): number | null {
  const arrowOrSo = NAMED[key];
  if (arrowOrSo !== undefined) return arrowOrSo;
  const fn = /^F([1-9]|1[0-2])$/.exec(key);
  return fn ? 0xffbd + Number(fn[1]) : null;
}
