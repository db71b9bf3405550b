// noVNC's parameters in the page's address, in the query or after `#`: the links of old set-ups go
// on working.

import { bridgePath } from '../lib/desktop.ts';

/** `remote`: the desktop follows the window; `scale`: its picture is scaled; `off`: neither. */
export type SizeMode = 'remote' | 'scale' | 'off';

export interface Params {
  size: SizeMode;
  autoconnect: boolean;
  reconnect: boolean;
  viewOnly: boolean;
  /** 0 (small) to 9 (sharp); `null`: automatic. */
  quality: number | null;
  /** 0 (quick) to 9 (small). */
  compression: number | null;
  /** As given; `bridgeFrom` judges it. */
  path: string | null;
  showDot: boolean;
  bell: boolean;
}

export function readParams(search: string, hash: string): Params {
  const query = new URLSearchParams(search);
  const fragment = new URLSearchParams(hash.replace(/^#/, ''));
  const get = (name: string) => fragment.get(name) ?? query.get(name);
  const resize = get('resize');
  return {
    size: resize === 'off' || resize === 'scale' ? resize : 'remote',
    autoconnect: flag(get('autoconnect'), true),
    reconnect: flag(get('reconnect'), true),
    viewOnly: flag(get('view_only'), false),
    quality: level(get('quality')),
    compression: level(get('compression')),
    path: get('path'),
    showDot: flag(get('show_dot'), false),
    bell: flag(get('bell'), true),
  };
}

function flag(text: string | null, absent: boolean): boolean {
  if (text === null) return absent;
  return !['0', 'false', 'off', 'no'].includes(text.toLowerCase());
}

function level(text: string | null): number | null {
  return text !== null && /^[0-9]$/.test(text) ? Number(text) : null;
}

export type Bridge = { url: string } | { refused: 'bad_path' | 'other_desktop' };

const BRIDGE = /^\/(?:d|novnc)\/([^/]+)(?:\/([^/]+))?\/websockify$/;

/**
 * The WebSocket address for `desktop` on a page at `page`, the `path` parameter considered: it may
 * spell the same desktop's bridge in another way, and nothing else.
 */
export function bridgeFrom(page: URL, base: string, desktop: string, path: string | null): Bridge {
  const own = new URL(base + bridgePath(desktop), page);
  if (path === null || path === '') return { url: asSocket(own) };
  const readings = [`/${path.replace(/^\/+/, '')}`, `${base}/${path.replace(/^\/+/, '')}`, path];
  let other = false;
  for (const reading of readings) {
    const named = desktopAt(reading, page, base);
    if (named === desktop) return { url: asSocket(new URL(reading, page)) };
    other ||= named !== null;
  }
  return { refused: other ? 'other_desktop' : 'bad_path' };
}

function desktopAt(reading: string, page: URL, base: string): string | null {
  if (!URL.canParse(reading, page.href)) return null;
  const url = new URL(reading, page);
  if (url.origin !== page.origin || !url.pathname.startsWith(`${base}/`)) return null;
  const match = BRIDGE.exec(url.pathname.slice(base.length));
  if (!match) return null;
  const [owner, name] = [match[1], match[2]].map((part) => part && decode(part));
  return !name || name === 'main' ? (owner ?? null) : `${owner}/${name}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // no name looks like that, so it matches nothing
  }
}

function asSocket(url: URL): string {
  const socket = new URL(url.pathname, url);
  socket.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return socket.href;
}
