// Live pictures of running desktops: a short look through a view-only connection, now and then,
// while the page is seen. Pictures are kept in memory alone.

import { bridgePath, type Desktop } from '../lib/desktop.ts';
import { DesktopSocket } from '../viewer/desktopSocket.ts';
import { hasPicture } from '../viewer/screen.ts';
import { randomId } from '../viewer/viewerId.ts';

const REFRESH_MS = 20_000;
const AT_ONCE = 2;
/** A look that takes longer than this is given up. */
const LOOK_TIMEOUT_MS = 8_000;
/** After the first pixels, for the rest of the first update to be drawn. */
const SETTLE_MS = 250;
const POLL_MS = 50;
const WIDTH = 960;
const TICK_MS = 1_000;

export class Pictures {
  /** Addresses of the pictures by desktop id. */
  urls: Record<string, string> = $state({});

  private readonly base: string;
  private desktops: Desktop[] = [];
  private readonly lookedAt = new Map<string, number>();
  private readonly looking = new Set<string>();
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(base: string) {
    this.base = base;
    this.timer = setInterval(() => this.look(), TICK_MS);
  }

  /**
   * The desktops as they are now. A picture of one that no longer runs is dropped; one that is
   * asleep keeps its last, for to look at it would wake it up.
   */
  show(desktops: Desktop[]): void {
    this.desktops = desktops.filter(({ state }) => state === 'ready');
    const running = new Set(desktops.filter(({ state }) => state === 'ready' || state === 'frozen').map(({ id }) => id));
    for (const id of Object.keys(this.urls)) if (!running.has(id)) this.drop(id);
    this.look();
  }

  stop(): void {
    clearInterval(this.timer);
    for (const id of Object.keys(this.urls)) this.drop(id);
  }

  private look(): void {
    if (document.hidden) return;
    const due = this.desktops
      .filter(({ id }) => !this.looking.has(id) && performance.now() - (this.lookedAt.get(id) ?? -Infinity) >= REFRESH_MS)
      .sort((a, b) => (this.lookedAt.get(a.id) ?? 0) - (this.lookedAt.get(b.id) ?? 0));
    for (const { id } of due.slice(0, AT_ONCE - this.looking.size)) void this.take(id);
  }

  private async take(id: string): Promise<void> {
    this.looking.add(id);
    this.lookedAt.set(id, performance.now());
    try {
      const blob = await takePicture(this.base + bridgePath(id));
      if (blob && this.desktops.some((one) => one.id === id)) {
        const before = this.urls[id];
        this.urls[id] = URL.createObjectURL(blob);
        if (before) setTimeout(() => URL.revokeObjectURL(before), REFRESH_MS);
      }
    } catch {
      // The next look may do better; the card shows its icon or the last picture.
    } finally {
      this.looking.delete(id);
      this.look();
    }
  }

  private drop(id: string): void {
    URL.revokeObjectURL(this.urls[id] ?? '');
    delete this.urls[id];
    this.lookedAt.delete(id);
  }
}

/** One picture through the bridge at `path`, scaled down; `null` when none came in time. */
async function takePicture(path: string): Promise<Blob | null> {
  const noVnc = await import('@novnc/novnc').catch(() => null);
  if (!noVnc) return null; // gone with an older version, which the page says elsewhere
  const { default: Rfb } = noVnc;
  const url = new URL(path, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = String(new URLSearchParams({ viewer: randomId(), view_only: '1', thumbnail: '1' }));

  const frame = document.createElement('div');
  let closed = false;
  const socket = new DesktopSocket(url.href, () => undefined, () => (closed = true));
  const rfb = new Rfb(frame, socket, { shared: true });
  rfb.viewOnly = true;
  rfb.qualityLevel = 5;
  const end = performance.now() + LOOK_TIMEOUT_MS;
  try {
    while (!closed && performance.now() < end) {
      const canvas = frame.querySelector('canvas');
      if (canvas && hasPicture(canvas)) {
        await pause(SETTLE_MS);
        return await scaledDown(canvas);
      }
      await pause(POLL_MS);
    }
    return null;
  } finally {
    socket.dispose();
    if (!closed) rfb.disconnect();
  }
}

async function scaledDown(canvas: HTMLCanvasElement): Promise<Blob | null> {
  const width = Math.min(WIDTH, canvas.width);
  const bitmap = await createImageBitmap(canvas, { resizeWidth: width, resizeQuality: 'high' });
  const small = document.createElement('canvas');
  small.width = bitmap.width;
  small.height = bitmap.height;
  small.getContext('2d')?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve) => small.toBlob(resolve, 'image/webp', 0.85));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
