// One connection's screen: noVNC's RFB on our socket, with what the page sets and asks of it.

import type RFB from '@novnc/novnc';

import type { DesktopSocket } from './desktopSocket.ts';
import type { SizeMode } from './params.ts';
import type { Level } from './quality.ts';

export interface ScreenSettings {
  size: SizeMode;
  viewOnly: boolean;
  showDot: boolean;
  level: Level;
}

export interface ScreenEvents {
  frame(): void;
  clipboard(text: string): void;
  bell(): void;
  /** Whether only a part of the desktop is shown. */
  clipped(clipped: boolean): void;
}

/** After this long a black screen counts as a picture, too. */
const FRAME_PATIENCE_MS = 1_500;
const FRAME_POLL_MS = 30;

export class Screen {
  readonly rfb: RFB;
  readonly socket: DesktopSocket;
  private gone = false;
  /** noVNC has given up already, and wants no second goodbye. */
  private over = false;
  private readonly target: Element;

  constructor(
    Rfb: typeof RFB,
    target: Element,
    socket: DesktopSocket,
    settings: ScreenSettings,
    events: ScreenEvents,
  ) {
    this.target = target;
    this.socket = socket;
    this.rfb = new Rfb(target, socket, { shared: true });
    this.rfb.background = 'transparent';
    this.apply(settings);
    this.rfb.addEventListener('disconnect', () => (this.over = true));
    this.rfb.addEventListener('connect', () => void this.awaitFrame(events));
    this.rfb.addEventListener('clipboard', (event) => events.clipboard(event.detail.text));
    this.rfb.addEventListener('bell', () => events.bell());
    this.rfb.addEventListener('clippingviewport', (event) => events.clipped(event.detail));
  }

  apply(settings: ScreenSettings): void {
    const { rfb } = this;
    rfb.viewOnly = settings.viewOnly;
    rfb.showDotCursor = settings.showDot;
    // A desktop that cannot follow the window is at least scaled to it.
    rfb.scaleViewport = settings.size !== 'off';
    rfb.resizeSession = settings.size === 'remote';
    rfb.clipViewport = settings.size === 'off' && matchMedia('(any-pointer: coarse)').matches;
    rfb.qualityLevel = settings.level.quality;
    rfb.compressionLevel = settings.level.compression;
  }

  get canvas(): HTMLCanvasElement | null {
    return this.target.querySelector('canvas');
  }

  dispose(): void {
    this.gone = true;
    this.socket.dispose();
    if (!this.over) this.rfb.disconnect();
  }

  /** noVNC does not say when the first picture is drawn; a look at its canvas does. */
  private async awaitFrame(events: ScreenEvents): Promise<void> {
    const end = performance.now() + FRAME_PATIENCE_MS;
    while (!this.gone && performance.now() < end) {
      if (this.canvas && hasPicture(this.canvas)) break;
      await new Promise((resolve) => setTimeout(resolve, FRAME_POLL_MS));
    }
    if (!this.gone && this.socket.readyState === WebSocket.OPEN) events.frame();
  }
}

/** Whether anything but black is drawn, looked at through a small copy. */
export function hasPicture(canvas: HTMLCanvasElement): boolean {
  if (canvas.width === 0 || canvas.height === 0) return false;
  const small = document.createElement('canvas');
  small.width = 32;
  small.height = 18;
  const context = small.getContext('2d', { willReadFrequently: true });
  if (!context) return true;
  context.drawImage(canvas, 0, 0, small.width, small.height);
  const { data } = context.getImageData(0, 0, small.width, small.height);
  return data.some((value, index) => index % 4 !== 3 && value > 0);
}

/** Copies what `from` shows into `to`. */
export function copyPicture(from: HTMLCanvasElement, to: HTMLCanvasElement): void {
  if (from.width === 0 || from.height === 0) return;
  to.width = from.width;
  to.height = from.height;
  to.getContext('2d')?.drawImage(from, 0, 0);
}
