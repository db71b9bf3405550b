// The person's desktops as the portal shows them: live, with what the person does to them.

import { ApiError, type Api } from '../lib/api.ts';
import type { Desktop, Profile } from '../lib/desktop.ts';
import { watchDesktops } from '../lib/events.ts';
import type { ServerVersion } from '../lib/version.svelte.ts';

/** A page that nobody has looked at for this long stops listening. */
const HIDDEN_PATIENCE_MS = 30_000;
/** How often it asks since when a desktop has been idle, which is not told by itself. */
const IDLE_EVERY_MS = 60_000;

export class Desktops {
  list: Desktop[] | null = $state.raw(null);
  profiles: Profile[] = $state.raw([]);
  reachable = $state(true);
  /** What the last act of the person failed with. */
  problem: string | null = $state(null);

  private readonly api: Api;
  private readonly version: ServerVersion;
  private readonly signedOut: () => void;
  private unwatch: (() => void) | null = null;
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly idleTimer: ReturnType<typeof setInterval>;

  constructor(api: Api, version: ServerVersion, signedOut: () => void) {
    this.api = api;
    this.version = version;
    this.signedOut = signedOut;
    this.watch();
    void this.learnProfiles();
    this.idleTimer = setInterval(() => void this.learnIdle(), IDLE_EVERY_MS);
  }

  /** The page is going. */
  end(): void {
    clearInterval(this.idleTimer);
    this.stop();
  }

  /** The page came to the front or left it. */
  seen(visible: boolean): void {
    clearTimeout(this.hiddenTimer);
    if (visible) this.watch();
    else this.hiddenTimer = setTimeout(() => this.stop(), HIDDEN_PATIENCE_MS);
  }

  stop(): void {
    this.unwatch?.();
    this.unwatch = null;
  }

  stopDesktop(id: string): Promise<void> {
    return this.act(() => this.api.stop(id));
  }

  restartDesktop(id: string): Promise<void> {
    return this.act(() => this.api.restart(id));
  }

  keep(id: string): Promise<void> {
    return this.act(() => this.api.keep(id));
  }

  private async act(call: () => Promise<Desktop>): Promise<void> {
    this.problem = null;
    try {
      const now = await call();
      this.list = this.list?.map((one) => (one.id === now.id ? now : one)) ?? null;
    } catch (error) {
      if (error instanceof ApiError && error.code === 'signed_out') this.signedOut();
      else this.problem = (error as Error).message;
    }
  }

  private async learnProfiles(): Promise<void> {
    try {
      this.profiles = (await this.api.desktops()).profiles ?? [];
    } catch {
      // The default session can be started all the same; the live list says what is wrong.
    }
  }

  private async learnIdle(): Promise<void> {
    if (document.hidden || !this.list?.some(({ active }) => active != null)) return;
    try {
      this.list = (await this.api.desktops()).desktops;
    } catch {
      // The live list says what is wrong.
    }
  }

  private watch(): void {
    this.unwatch ??= watchDesktops(this.api, {
      list: (news) => {
        this.list = news.desktops;
        this.version.heard(news.version);
      },
      signedOut: this.signedOut,
      reachable: (reachable) => (this.reachable = reachable),
    });
  }
}
