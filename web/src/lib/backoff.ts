// How long to wait before the next try.

export interface Backoff {
  firstMs: number;
  factor: number;
  maxMs: number;
}

/** A connection that broke for an unknown reason. */
export const DROPPED: Backoff = { firstMs: 500, factor: 1.6, maxMs: 10_000 };
/** A server that said it will be back at once. */
export const RESTARTING: Backoff = { firstMs: 300, factor: 1.6, maxMs: 5_000 };

/**
 * The wait in milliseconds before try number `attempt` (the first is 0), up to a fifth more or
 * less than the curve says, so that many browsers do not all return at the same moment.
 */
export function delay(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const curve = Math.min(backoff.firstMs * backoff.factor ** attempt, backoff.maxMs);
  return Math.round(curve * (0.8 + 0.4 * random()));
}
