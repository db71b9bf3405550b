// Finds out how far the server is, and that it is gone when the network says nothing.

/** How often the way is measured while the page is seen. */
const MEASURE_EVERY_MS = 20_000;
/** Keys sent without an answer for this long make it look. */
const SILENCE_MS = 4_000;
const PROBE_TIMEOUT_MS = 6_000;
const LOOK_EVERY_MS = 2_000;

export interface Watched {
  lastSentAt: number;
  lastReceivedAt: number;
}

export interface WatchdogOptions {
  healthUrl: string;
  /** The connection to look after; `null` when there is none. */
  watched: () => Watched | null;
  measured: (roundTripMs: number) => void;
  dead: () => void;
}

/** Works until the returned function is called. */
export function startWatchdog(options: WatchdogOptions): () => void {
  let lastProbe = -Infinity;
  let probing = false;

  const look = async () => {
    const watched = options.watched();
    if (!watched || probing || document.hidden) return;
    const now = performance.now();
    const silent = watched.lastSentAt > watched.lastReceivedAt && now - watched.lastReceivedAt > SILENCE_MS;
    if (now - lastProbe < (silent ? SILENCE_MS : MEASURE_EVERY_MS)) return;
    lastProbe = now;
    probing = true;
    try {
      await fetch(options.healthUrl, { cache: 'no-store', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      options.measured(Math.round(performance.now() - now));
    } catch {
      if (options.watched() === watched && watched.lastReceivedAt < now) options.dead();
    } finally {
      probing = false;
    }
  };

  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  return () => clearInterval(timer);
}
