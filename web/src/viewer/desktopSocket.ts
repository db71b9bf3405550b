// The WebSocket to a desktop, in the shape that noVNC takes. It can be opened before noVNC is
// loaded, keeps what arrives until then, counts the bytes, and tells how it closed.

import type { RawChannel } from '@novnc/novnc';

/** A server that sends more than this before the viewer listens is not a desktop of ours. */
const MAX_EARLY_MESSAGES = 64;

/** FramebufferUpdateRequest, not incremental, for the first pixel. */
const A_PIXEL = new Uint8Array([3, 0, 0, 0, 0, 0, 0, 1, 0, 1]);

export class DesktopSocket implements RawChannel {
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  /** Bytes received since it was opened. */
  received = 0;
  lastReceivedAt = 0;
  lastSentAt = 0;

  private readonly socket: WebSocket;
  private readonly closing: () => void;
  private readonly early: MessageEvent<ArrayBuffer>[] = [];
  private listener: ((event: MessageEvent<ArrayBuffer>) => void) | null = null;
  private disposed = false;

  /**
   * `closing` is called while the last picture is still there, once or twice; `closed` once, unless
   * it was closed with `dispose`.
   */
  constructor(url: string, closing: () => void, closed: (code: number, reason: string) => void) {
    this.closing = closing;
    this.socket = new WebSocket(url, ['binary']);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = (event) => this.onopen?.(event);
    this.socket.onerror = (event) => this.onerror?.(event);
    this.socket.onmessage = (event: MessageEvent<ArrayBuffer>) => this.receive(event);
    this.socket.onclose = (event) => {
      if (!this.disposed) this.closing();
      this.onclose?.(event);
      if (!this.disposed) closed(event.code, event.reason);
    };
  }

  get binaryType(): string {
    return this.socket.binaryType;
  }

  set binaryType(type: string) {
    this.socket.binaryType = type as BinaryType;
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get readyState(): number {
    return this.socket.readyState;
  }

  get onmessage(): ((event: MessageEvent<ArrayBuffer>) => void) | null {
    return this.listener;
  }

  set onmessage(listener: ((event: MessageEvent<ArrayBuffer>) => void) | null) {
    this.listener = listener;
    // noVNC is ready for messages only when its constructor is through.
    queueMicrotask(() => {
      for (const event of this.early.splice(0)) this.listener?.(event);
    });
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.lastSentAt = performance.now();
    this.socket.send(data);
  }

  /** Has the desktop send a pixel, which it owes whoever asks for one (RFC 6143, 7.5.3). */
  askForAPixel(): void {
    if (this.readyState === WebSocket.OPEN) this.socket.send(A_PIXEL);
  }

  /** noVNC closes it when it gives up; that counts as a lost connection. */
  close(): void {
    if (!this.disposed) this.closing();
    this.socket.close();
  }

  /** Closes it on our own account: nobody is told. */
  dispose(): void {
    this.disposed = true;
    this.socket.onmessage = null;
    this.socket.close(1000);
  }

  private receive(event: MessageEvent<ArrayBuffer>): void {
    this.received += event.data.byteLength;
    this.lastReceivedAt = performance.now();
    if (this.listener && this.early.length === 0) this.listener(event);
    else if (this.early.length < MAX_EARLY_MESSAGES) this.early.push(event);
    else this.socket.close();
  }
}
