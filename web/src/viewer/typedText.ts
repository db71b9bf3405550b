// What an on-screen keyboard did to a text field, as keys: so many characters taken back, these
// typed. Such keyboards correct words after the fact, so the field's text is all there is to go by.

export interface Typed {
  /** Characters to take back, from the end. */
  erased: number;
  /** Characters typed after that. */
  added: string[];
}

export function typedBetween(before: string, after: string): Typed {
  const old = [...before];
  const now = [...after];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same++;
  return { erased: old.length - same, added: now.slice(same) };
}
