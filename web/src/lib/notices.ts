// What a desktop's owner should know of it: each notice is shown until it is put away, here or in
// another window, and never again after that.

import type { Desktop, Notice } from './desktop.ts';

/** So many that were put away are remembered. */
export const MAX_REMEMBERED = 64;

/** Names a notice among all of all desktops' lives. */
export function keyOf(desktop: Desktop, notice: Notice): string {
  return `${desktop.id} ${notice.at} ${notice.number}`;
}

/** Those that are still to be shown, the newest first. */
export function toShow(desktop: Desktop, dismissed: readonly string[]): Notice[] {
  return (desktop.notices ?? []).filter((notice) => !dismissed.includes(keyOf(desktop, notice))).reverse();
}

/** What is remembered after one more was put away; the oldest is forgotten first. */
export function withDismissed(dismissed: readonly string[], key: string): string[] {
  return [...dismissed.filter((one) => one !== key), key].slice(-MAX_REMEMBERED);
}

/** What was remembered, whatever was written there. */
export function readDismissed(text: string | null): string[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string').slice(-MAX_REMEMBERED) : [];
  } catch {
    return [];
  }
}

/** A sentence in pieces: every second one is the name of a program or the like. */
export function pieces(text: string): string[] {
  return text.split('`');
}
