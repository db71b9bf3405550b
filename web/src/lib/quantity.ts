// Sizes and durations as people say them.

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** `4 GB`, `1.5 GB`, `700 bytes`; a kilobyte is 1024 bytes, as where limits are set. */
export function bytes(count: number): string {
  let unit = 0;
  // 999.6 would be shown as 1000: it is one of the next.
  while (count >= 999.5 && unit < UNITS.length - 1) {
    count /= 1024;
    unit++;
  }
  const digits = unit > 0 && count < 9.95 ? 1 : 0;
  return `${count.toFixed(digits).replace('.0', '')} ${UNITS[unit]}`;
}

/** `1.5 of 4 GB`: the unit once where both have it. */
export function bytesOf(part: number, whole: number, of: string): string {
  const [some, all] = [bytes(part), bytes(whole)];
  const unit = all.split(' ')[1] ?? '';
  return `${some.endsWith(` ${unit}`) ? some.slice(0, -unit.length - 1) : some} ${of} ${all}`;
}

/** `45 s`, `4 min`, `3 h`, `12 d`: the biggest unit alone, rounded down. */
export function span(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/**
 * How long ago something was, both in seconds since 1970; `null` within the last minute, and for what
 * a server tells whose clock is ahead.
 */
export function spanSince(at: number, now: number): string | null {
  return now - at < 60 ? null : span(now - at);
}

/** Hundredths of one core from thousandths. */
export function percent(thousandths: number): string {
  return thousandths > 0 && thousandths < 5 ? '< 1 %' : `${Math.round(thousandths / 10)} %`;
}
