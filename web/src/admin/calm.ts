// When rows change places: at once for another order, calmly with the news, and never under the
// admin's hands.

import { held } from './arrange.ts';

/** Rows that are sorted by what moves all the time change places so seldom. */
const CALM_MS = 3_000;

export class Calm<R> {
  private readonly key: (row: R) => string;
  private rows: readonly R[] = [];
  private askedFor: readonly unknown[] = [];
  private arrangedAt = -Infinity;
  private movedAt = -Infinity;
  private isAtWork = false;

  constructor(key: (row: R) => string) {
    this.key = key;
  }

  /** Somebody has the focus in the rows, or not any more. */
  atWork(now: boolean): void {
    this.isAtWork = now;
  }

  /** The pointer moved over the rows. */
  moved(at: number): void {
    this.movedAt = at;
  }

  /**
   * All rows in the order in which they are shown at `now` (milliseconds of a clock that does not
   * jump). Anything new in `asked` is another order. The same array again when nothing moved.
   */
  arrange(now: number, all: readonly R[], asked: readonly unknown[], arranged: (all: readonly R[]) => R[]): readonly R[] {
    const isNew = asked.some((one, n) => one !== this.askedFor[n]);
    const isHeld = this.isAtWork || now - this.movedAt < CALM_MS || now - this.arrangedAt < CALM_MS;
    this.askedFor = asked;
    if (isNew || !isHeld) this.arrangedAt = now;
    const rows = isNew || !isHeld ? arranged(all) : held(this.rows, all, this.key);
    if (rows.length !== this.rows.length || rows.some((row, n) => row !== this.rows[n])) this.rows = rows;
    return this.rows;
  }
}
