// Runs the connection's state machine against the real world: sockets, requests, timers, events.

import { untrack } from 'svelte';

import { ApiError, type Api } from '../lib/api.ts';
import { watchDesktops } from '../lib/events.ts';
import { answers, reloadOnce } from '../lib/reload.ts';
import type { ServerVersion } from '../lib/version.svelte.ts';
import type { Desktop } from '../lib/desktop.ts';
import { isSilent, open, step, type Connection, type Effect, type Event } from './connection.ts';
import { DesktopSocket } from './desktopSocket.ts';
import { Screen, type ScreenEvents, type ScreenSettings } from './screen.ts';
import { track, type StageTimes } from './stages.ts';

export interface SessionOptions {
  api: Api;
  /** The path below which everything lives. */
  base: string;
  desktop: string;
  /** The bridge's address without its query. */
  bridge: string;
  viewer: string;
  autoconnect: boolean;
  persistent: boolean;
  /** The person pressed "Try again" on the way here. */
  insist: boolean;
  settings: () => ScreenSettings;
  target: () => HTMLElement;
  /** The picture is about to go; `canvas` still shows it. */
  closing: (canvas: HTMLCanvasElement) => void;
  events: Omit<ScreenEvents, 'frame'>;
  signIn: () => void;
  /** What the server says of itself. */
  version: ServerVersion;
}

/** Screens outside this range are refused by the server. */
const MIN_SIDE = 200;
const MAX_SIDE = 8192;
/** A page that nobody has looked at for this long hears no notices. */
const HIDDEN_PATIENCE_MS = 30_000;

export class ViewerSession {
  connection: Connection = $state.raw({} as Connection);
  times: StageTimes = $state.raw({});
  screen: Screen | null = $state.raw(null);

  private readonly options: SessionOptions;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  private hidden = false;
  private unwatch: (() => void) | null = null;
  private socket: DesktopSocket | null = null;

  constructor(options: SessionOptions) {
    this.options = options;
    this.connection = open(options);
    this.follow();
  }

  /** The person wants the desktop (again). */
  want(): void {
    this.dispatch({ type: 'wanted' });
  }

  /** The person says that the desktop is in use. */
  async keep(): Promise<void> {
    try {
      this.dispatch({ type: 'desktop', desktop: await this.options.api.keep(this.options.desktop) });
    } catch (error) {
      if (error instanceof ApiError && error.code === 'signed_out') this.dispatch({ type: 'signed_out' });
      // Otherwise the notice stays, and can be pressed again.
    }
  }

  /** Do not wait for the next try. */
  tryNow(): void {
    if (this.connection.phase.kind === 'lost') this.dispatch({ type: 'retry' });
  }

  /** The connection is dead although the browser has not noticed. */
  drop(): void {
    if (!this.socket) return;
    this.disconnect();
    this.dispatch({ type: 'socket_closed', code: 1006, reason: '' });
  }

  /** Has the desktop say something; `false` before it has shown anything. */
  ask(): boolean {
    if (!this.connection.frame) return false;
    this.socket?.askForAPixel();
    return true;
  }

  /** What came of asking. */
  heard(answers: boolean): void {
    this.dispatch({ type: answers ? 'answers' : 'silent' });
  }

  /** Ends the desktop; throws what the server says when it cannot. */
  async stop(): Promise<void> {
    const desktop = await this.options.api.stop(this.options.desktop);
    // Its socket may have told of the end already, and the person may have started it again.
    if (this.connection.phase.kind === 'lost') this.dispatch({ type: 'desktop', desktop });
  }

  end(): void {
    this.disconnect();
    clearTimeout(this.retryTimer);
    clearTimeout(this.hiddenTimer);
    this.unwatch?.();
  }

  private dispatch(event: Event): void {
    const { next, effects } = step(untrack(() => this.connection), event, Date.now());
    this.connection = next;
    this.times = track(this.times, next.phase, performance.now());
    for (const effect of effects) this.perform(effect);
    this.follow();
  }

  private perform(effect: Effect): void {
    switch (effect.do) {
      case 'start':
        return void this.start();
      case 'connect':
        return void this.connect();
      case 'disconnect':
        return this.disconnect();
      case 'check':
        return void this.check();
      case 'retry_after':
        clearTimeout(this.retryTimer);
        this.retryTimer = setTimeout(() => this.dispatch({ type: 'retry' }), effect.ms);
        return;
      case 'sign_in':
        return this.options.signIn();
    }
  }

  private async start(): Promise<void> {
    const { api, desktop } = this.options;
    const side = (length: number) => Math.min(Math.max(Math.floor(length), MIN_SIDE), MAX_SIDE);
    try {
      const started = await api.start(desktop, {
        profile: null,
        geometry: [side(innerWidth), side(innerHeight)],
      });
      this.dispatch({ type: 'started', desktop: started });
    } catch (error) {
      if (error instanceof ApiError && error.code === 'signed_out') this.dispatch({ type: 'signed_out' });
      else this.dispatch({ type: 'start_refused', message: (error as Error).message });
    }
  }

  private async connect(): Promise<void> {
    this.disconnect();
    clearTimeout(this.retryTimer);
    const { bridge, viewer, settings, target, events } = this.options;
    const query = new URLSearchParams({ viewer });
    if (settings().viewOnly) query.set('view_only', '1');
    const socket = new DesktopSocket(
      `${bridge}?${query}`,
      () => this.screen?.canvas && this.options.closing(this.screen.canvas),
      (code, reason) => {
        if (this.socket === socket) this.disconnect();
        this.dispatch({ type: 'socket_closed', code, reason });
      },
    );
    this.socket = socket;
    const Rfb = await this.loadRfb(socket);
    if (!Rfb) return;
    // Closed, or replaced by a newer try, while noVNC was loading.
    if (this.socket !== socket || socket.readyState > WebSocket.OPEN) return;
    this.screen = new Screen(Rfb, target(), socket, settings(), {
      ...events,
      frame: () => this.dispatch({ type: 'frame' }),
    });
  }

  /** noVNC; `null` when it cannot be had, which is then seen to. */
  private async loadRfb(socket: DesktopSocket) {
    try {
      return (await import('@novnc/novnc')).default;
    } catch {
      // Offline it comes with a later try. From a newer server it never comes.
      const gone = await answers(this.options.base);
      if (this.socket !== socket) return null;
      if (gone && reloadOnce()) return null;
      this.options.version.lacksParts = gone;
      this.disconnect();
      this.dispatch({ type: 'socket_closed', code: 1006, reason: '' });
      return null;
    }
  }

  private disconnect(): void {
    const { socket, screen } = this;
    if (screen?.canvas) this.options.closing(screen.canvas);
    this.socket = null;
    this.screen = null;
    if (screen) screen.dispose();
    else socket?.dispose();
  }

  private async check(): Promise<void> {
    try {
      const { desktops, version } = await this.options.api.desktops();
      this.options.version.heard(version);
      this.dispatch({ type: 'desktop', desktop: this.find(desktops) });
    } catch (error) {
      const isSignedOut = error instanceof ApiError && error.code === 'signed_out';
      this.dispatch({ type: isSignedOut ? 'signed_out' : 'check_failed' });
    }
  }

  /** The page came to the front or left it. */
  seen(visible: boolean): void {
    clearTimeout(this.hiddenTimer);
    this.hidden = false;
    if (visible) return this.follow();
    this.hiddenTimer = setTimeout(() => {
      this.hidden = true;
      this.follow();
    }, HIDDEN_PATIENCE_MS);
  }

  /**
   * Live news are wanted while there is no connection whose end would tell; with one they bring
   * notices, which a page that nobody sees need not hear: a browser has few connections for them.
   */
  private follow(): void {
    const { kind } = this.connection.phase;
    const waits = kind === 'opening' || kind === 'starting' || kind === 'ended' || kind === 'failed' || isSilent(this.connection.phase);
    const wanted = waits || (kind === 'connected' && !this.hidden);
    if (wanted && !this.unwatch) {
      this.unwatch = watchDesktops(this.options.api, {
        list: ({ desktops, version }) => {
          this.options.version.heard(version);
          this.dispatch({ type: 'desktop', desktop: this.find(desktops) });
        },
        signedOut: () => this.dispatch({ type: 'signed_out' }),
      });
    } else if (!wanted && this.unwatch) {
      this.unwatch();
      this.unwatch = null;
    }
  }

  private find(desktops: Desktop[]): Desktop | null {
    return desktops.find(({ id }) => id === this.options.desktop) ?? null;
  }
}
