// Finds out how far the server is, that it is gone when the network says nothing, and that the
// desktop behind it does not answer.

/** How often the way is measured while the page is seen. */
const MEASURE_EVERY_MS = 20_000;
/** Keys sent without an answer for this long make it look. */
const SILENCE_MS = 4_000;
const PROBE_TIMEOUT_MS = 6_000;
const LOOK_EVERY_MS = 2_000;
/** How long a desktop may take for an answer that it owes. */
const ANSWER_MS = 4_000;

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
  /** Has the desktop say something; `false` when it cannot be asked yet. */
  ask: () => boolean;
  /** It was asked and said nothing. */
  silent: () => void;
  /** It does again. */
  answers: () => void;
}

/** Works until the returned function is called. */
export function startWatchdog(options: WatchdogOptions): () => void {
  let lastProbe = -Infinity;
  let probing = false;
  /** The connection whose desktop was asked, and when. */
  let asked: { watched: Watched; at: number; isSilent: boolean } | null = null;

  const hear = (watched: Watched, now: number) => {
    if (!asked) return;
    if (asked.watched !== watched || watched.lastReceivedAt >= asked.at) {
      if (asked.watched === watched && asked.isSilent) options.answers();
      asked = null;
    } else if (!asked.isSilent && now - asked.at > ANSWER_MS) {
      asked.isSilent = true;
      options.silent();
    }
  };

  const look = async () => {
    const watched = options.watched();
    if (!watched || probing || document.hidden) return;
    const now = performance.now();
    hear(watched, now);
    const silent = watched.lastSentAt > watched.lastReceivedAt && now - watched.lastReceivedAt > SILENCE_MS;
    if (now - lastProbe < (silent ? SILENCE_MS : MEASURE_EVERY_MS)) return;
    lastProbe = now;
    probing = true;
    try {
      await fetch(options.healthUrl, { cache: 'no-store', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      options.measured(Math.round(performance.now() - now));
      if (silent && !asked && options.watched() === watched && options.ask()) {
        asked = { watched, at: performance.now(), isSilent: false };
      }
    } catch {
      if (options.watched() === watched && watched.lastReceivedAt < now) options.dead();
    } finally {
      probing = false;
    }
  };

  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  return () => clearInterval(timer);
}
