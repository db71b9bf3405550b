// What a notice says at this moment. Moments that are told in the reader's own time are said here,
// everything else is the server's sentence.

import { t } from '../texts/index.ts';
import type { Desktop, Notice } from './desktop.ts';
import { nameOf } from './names.ts';
import { keyOf, toShow } from './notices.ts';
import { span } from './quantity.ts';
import { moment } from './time.ts';

export function wordsOf(notice: Notice, now: number): string {
  if (notice.kind === 'idle' && notice.when !== null) {
    const left = notice.when - now;
    const soon = left < 1 ? t.notice.atOnce : t.notice.inTime(span(left));
    return notice.next === 'stop' ? t.notice.idleStop(soon) : t.notice.idleFreeze(soon);
  }
  if (notice.kind === 'hours' && notice.when !== null) return t.notice.hours(moment(notice.when));
  if (notice.kind === 'message') return t.notice.message(notice.from ?? '', notice.message);
  return notice.message;
}

/** What a screen reader is told of these desktops' notices. */
export function spokenNotices(desktops: Desktop[], dismissed: readonly string[]): { key: string; text: string }[] {
  return desktops.flatMap((desktop) =>
    toShow(desktop, dismissed).map((notice) => ({
      key: keyOf(desktop, notice),
      text: t.notice.about(nameOf(desktop), wordsOf(notice, Date.now() / 1000)),
    })),
  );
}
