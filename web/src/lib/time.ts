// Moments and durations in a reader's words.

const SAME_DAY = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const OTHER_DAY = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

/** `09:12`, or with its day when that is not today. `seconds` since 1970. */
export function moment(seconds: number, now: Date = new Date()): string {
  const date = new Date(seconds * 1000);
  return (date.toDateString() === now.toDateString() ? SAME_DAY : OTHER_DAY).format(date);
}

const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });

/** Day, year and time in full. `seconds` since 1970. */
export function wholeMoment(seconds: number): string {
  return WHOLE.format(new Date(seconds * 1000));
}

/** `0.4` below ten seconds, `12` from there on. */
export function seconds(ms: number): string {
  return ms < 9_950 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000));
}
