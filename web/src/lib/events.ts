// The list of desktops, live: server-sent events with a reconnect of our own.

import { ApiError, type Api } from './api.ts';
import { delay, DROPPED } from './backoff.ts';
import type { DesktopList } from './desktop.ts';

export interface DesktopWatcher {
  list(list: DesktopList): void;
  signedOut(): void;
  /** The server does not answer (`false`) or answers again (`true`). */
  reachable?(reachable: boolean): void;
}

/** Tells the watcher of each change until the returned function is called. */
export function watchDesktops(api: Api, watcher: DesktopWatcher): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let stopped = false;

  const open = () => {
    source = new EventSource(api.eventsUrl);
    source.addEventListener('desktops', (event: MessageEvent<string>) => {
      attempt = 0;
      watcher.reachable?.(true);
      watcher.list(JSON.parse(event.data) as DesktopList);
    });
    source.addEventListener('signed_out', () => {
      stop();
      watcher.signedOut();
    });
    source.addEventListener('error', () => {
      // A browser's own reconnect cannot tell a refusal from a dropped line; ours asks.
      source?.close();
      if (!stopped) timer = setTimeout(() => void ask(), delay(DROPPED, attempt++));
    });
  };

  const ask = async () => {
    try {
      const list = await api.desktops();
      if (stopped) return;
      watcher.reachable?.(true);
      watcher.list(list);
      open();
    } catch (error) {
      if (stopped) return;
      if (error instanceof ApiError && error.code === 'signed_out') {
        stop();
        watcher.signedOut();
        return;
      }
      watcher.reachable?.(false);
      timer = setTimeout(() => void ask(), delay(DROPPED, attempt++));
    }
  };

  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
  };

  open();
  return stop;
}
