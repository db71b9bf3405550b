// Bytes a second from a counter that is told now and then, and not at all while it stands still.

/** Over how long it is averaged. */
const WINDOW_MS = 4_000;
/** Counters told closer to each other than this make no rate. */
const SHORTEST_MS = 500;

interface Sample {
  at: number;
  total: number;
}

export class Rate {
  private samples: Sample[] = [];

  /** The counter is `total` at `at`, milliseconds of any clock that does not jump. */
  add(at: number, total: number): void {
    const last = this.samples.at(-1);
    // One that began anew counts from there.
    if (last && total < last.total) this.samples = [];
    this.samples.push({ at, total });
    this.forget(at);
  }

  /** Bytes a second at that moment: 0 when nothing was told for as long as it looks back. */
  at(now: number): number {
    const last = this.samples.at(-1);
    if (!last) return 0;
    this.forget(now);
    const first = this.samples[0] ?? last;
    const elapsed = Math.min(now - first.at, WINDOW_MS);
    if (elapsed < SHORTEST_MS) return 0;
    return ((last.total - first.total) * 1000) / elapsed;
  }

  /** Keeps the window, and one sample from before it to count from. */
  private forget(now: number): void {
    const begin = now - WINDOW_MS;
    while ((this.samples[1]?.at ?? Infinity) <= begin) this.samples.shift();
  }
}
