// What the server tells by itself: server-sent events with a reconnect of our own.

import { ApiError, type Api } from './api.ts';
import { delay, DROPPED } from './backoff.ts';
import type { DesktopList } from './desktop.ts';

/**
 * The server says something every 15 s. A line that says nothing for longer than this is dead, though
 * the browser does not know it yet.
 */
export const SILENCE_MS = 40_000;

export interface Follower<T> {
  url: string;
  /** What to do with the data of each event, by the event's name. */
  events: Record<string, (data: never) => void>;
  /** Asks the API for the same, to learn why a stream broke. It throws an `ApiError`. */
  ask: () => Promise<T>;
  asked: (answer: T) => void;
  signedOut(): void;
  /** It is there, but not for this person (any more). */
  refused?(): void;
  /** The server does not answer (`false`) or answers again (`true`). */
  reachable?(reachable: boolean): void;
}

/** Follows the stream until the returned function is called. */
export function follow<T>(follower: Follower<T>): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let stopped = false;

  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      source?.close();
      follower.reachable?.(false);
      void ask();
    }, SILENCE_MS);
  };

  const open = () => {
    source = new EventSource(follower.url);
    heard();
    source.addEventListener('alive', heard);
    for (const [name, heed] of Object.entries(follower.events)) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        attempt = 0;
        heard();
        follower.reachable?.(true);
        heed(JSON.parse(event.data) as never);
      });
    }
    source.addEventListener('signed_out', () => {
      stop();
      follower.signedOut();
    });
    source.addEventListener('error', () => {
      // A browser's own reconnect cannot tell a refusal from a dropped line; ours asks.
      source?.close();
      clearTimeout(silence);
      if (!stopped) timer = setTimeout(() => void ask(), delay(DROPPED, attempt++));
    });
  };

  const ask = async () => {
    try {
      const answer = await follower.ask();
      if (stopped) return;
      follower.reachable?.(true);
      follower.asked(answer);
      open();
    } catch (error) {
      if (stopped) return;
      const code = error instanceof ApiError ? error.code : 'unreachable';
      if (code === 'signed_out') {
        stop();
        follower.signedOut();
      } else if (code === 'not_found' && follower.refused) {
        stop();
        follower.refused();
      } else {
        follower.reachable?.(false);
        timer = setTimeout(() => void ask(), delay(DROPPED, attempt++));
      }
    }
  };

  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    clearTimeout(silence);
    source?.close();
  };

  open();
  return stop;
}

export interface DesktopWatcher {
  list(list: DesktopList): void;
  signedOut(): void;
  reachable?(reachable: boolean): void;
}

/** Tells the watcher of each change of the person's own desktops until the returned function is called. */
export function watchDesktops(api: Api, watcher: DesktopWatcher): () => void {
  return follow({
    url: api.eventsUrl,
    events: { desktops: (list: DesktopList) => watcher.list(list) },
    ask: () => api.desktops(),
    asked: (list) => watcher.list(list),
    signedOut: () => watcher.signedOut(),
    reachable: (reachable) => watcher.reachable?.(reachable),
  });
}
