// How long to wait before the next try.

export interface Backoff {
  /** The first try comes at once, and then the waits begin. */
  atOnce: boolean;
  firstMs: number;
  factor: number;
  maxMs: number;
}

/** A connection that broke for an unknown reason. */
export const DROPPED: Backoff = { atOnce: false, firstMs: 500, factor: 1.6, maxMs: 10_000 };
/** A server that said it will be back at once: whenever it is, the page is there within a second. */
export const RESTARTING: Backoff = { atOnce: true, firstMs: 150, factor: 1.5, maxMs: 700 };
/** After so many tries (half a minute) it is taken for a server that is gone. */
export const RESTARTING_TRIES = 45;

/**
 * The wait in milliseconds before try number `attempt` (the first is 0), up to a fifth more or
 * less than the curve says, so that many browsers do not all return at the same moment.
 */
export function delay(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const steps = backoff.atOnce ? attempt - 1 : attempt;
  if (steps < 0) return 0;
  const curve = Math.min(backoff.firstMs * backoff.factor ** steps, backoff.maxMs);
  return Math.round(curve * (0.8 + 0.4 * random()));
}
