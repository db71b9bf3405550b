// A desktop as the API tells it, and what follows from its state alone.

export type DesktopState = 'absent' | 'starting' | 'ready' | 'frozen' | 'stopping' | 'gone' | 'failed';
export type Stage = 'screen' | 'session';

export interface Desktop {
  /** `alice` (the main one) or `alice/work`. */
  id: string;
  owner: string;
  name: string;
  /** The session it runs; `null` when the default is meant or an existing server is attached. */
  profile: string | null;
  kind: 'session' | 'attach';
  /** Where its viewer page is, base path included. */
  url: string;
  state: DesktopState;
  stage: Stage | null;
  /** While it stops: programs were asked to close, and it can be looked at until it ends. */
  closing?: boolean;
  /** Seconds since 1970. */
  since: number | null;
  message: string | null;
  /** The end of its log. */
  log: string | null;
  viewers: number;
  /** The last sign of life, seconds since 1970, as of this message; left out by older servers. */
  active?: number | null;
  /** What its owner should know, the newest last; left out by older servers. */
  notices?: Notice[];
}

export type NoticeKind = 'idle' | 'out_of_memory' | 'memory' | 'processor' | 'too_many_processes' | 'disk' | 'hours' | 'started_again' | 'message';

export interface Notice {
  /** Counts up in one desktop's life. */
  number: number;
  /** Seconds since 1970. */
  at: number;
  kind: NoticeKind;
  /** The whole of it in plain words, or what an admin wrote. */
  message: string;
  /** What becomes of a desktop that nobody uses. */
  next: 'freeze' | 'stop' | null;
  /** Seconds since 1970: when that happens, or the hours are used up. */
  when: number | null;
  /** Who wrote the message. */
  from: string | null;
}

export interface Profile {
  id: string;
  name: string;
  default: boolean;
}

export interface DesktopList {
  desktops: Desktop[];
  /** The sessions to choose from; live news leave them out. */
  profiles?: Profile[];
  /** Which Deskway answers. */
  version?: string;
}

/** After a viewer page's address: start the desktop although it has just failed. */
export const START_MARK = '#start';

/** `alice/work` → owner and name; the main desktop's name is `main`. */
export function splitId(id: string): { owner: string; name: string } {
  const [owner = '', name = 'main'] = id.split('/');
  return { owner, name };
}

/** Whether there is a screen that a viewer can connect to; one that is asleep wakes up by that. */
export function hasScreen(desktop: Desktop): boolean {
  return hasPicture(desktop) || (desktop.state === 'starting' && desktop.stage === 'session');
}

/** Whether a session is drawn on it: one that closes may be asking whether to save. */
export function hasPicture(desktop: Desktop): boolean {
  return desktop.state === 'ready' || desktop.state === 'frozen' || isClosing(desktop);
}

export function isClosing(desktop: Desktop): boolean {
  return desktop.state === 'stopping' && desktop.closing === true;
}

/** Whether it runs or is about to, so that stopping it means something. */
export function isUp(desktop: Desktop): boolean {
  return desktop.state === 'ready' || desktop.state === 'frozen' || desktop.state === 'starting';
}

/** The path of its bridge below the base path. */
export function bridgePath(id: string): string {
  const { owner, name } = splitId(id);
  const person = encodeURIComponent(owner);
  return name === 'main' ? `/d/${person}/websockify` : `/d/${person}/${encodeURIComponent(name)}/websockify`;
}
