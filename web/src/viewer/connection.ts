// The life of a viewer page, as a pure state machine: what happened goes in, the next phase and
// what to do about it come out. The page's clock, sockets and requests are elsewhere (`session`).

import { delay, DROPPED, RESTARTING, RESTARTING_TRIES } from '../lib/backoff.ts';
import { hasPicture, hasScreen, isClosing, type Desktop, type Stage } from '../lib/desktop.ts';
import { meaningOf, type EndCause } from './closeCodes.ts';

/**
 * `asked`: the person wants a new connection. `silent`: the desktop runs and does not answer; there
 * may still be a connection to it.
 */
export type Why = 'dropped' | 'restarting' | 'unreachable' | 'silent' | 'asked';

export type Phase =
  /** Nothing is known yet, or a running desktop is being connected, which wakes one that is asleep. */
  | { kind: 'opening'; waking?: true }
  /** Waits for the person, who asked not to be connected at once. */
  | { kind: 'idle' }
  | { kind: 'starting'; stage: Stage | 'ready' | null; stoppingFirst: boolean }
  | { kind: 'connected' }
  /** `retryAt` in the clock's milliseconds; `null` while trying, or when only the person may. */
  | { kind: 'lost'; why: Why; reason: string; retryAt: number | null; trying: boolean }
  | { kind: 'ended'; cause: EndCause; message: string; log: string | null }
  | { kind: 'failed'; message: string; log: string | null }
  | { kind: 'left' };

export interface Connection {
  phase: Phase;
  desktop: Desktop | null;
  socket: boolean;
  frame: boolean;
  attempt: number;
  /** When the run before the wished one had ended: news of that may still be on the way. */
  endedBefore: number | null;
  /** Where the wish for a running desktop stands; `sent` until its effect is seen. */
  start: 'none' | 'sent' | 'seen';
  /** The person asked for it: a fresh failure does not stand in the way. */
  insist: boolean;
  /** It was seen not to run since it ended, so that running is news. */
  seenDown: boolean;
  /** Whether it connects again by itself. */
  persistent: boolean;
}

export type Event =
  | { type: 'desktop'; desktop: Desktop | null }
  /** The start was accepted; this is the desktop at that moment. */
  | { type: 'started'; desktop: Desktop }
  | { type: 'socket_closed'; code: number; reason: string }
  | { type: 'frame' }
  /** The connected desktop was asked for a word and gave none. */
  | { type: 'silent' }
  /** It says something again. */
  | { type: 'answers' }
  | { type: 'start_refused'; message: string }
  | { type: 'check_failed' }
  | { type: 'signed_out' }
  | { type: 'retry' }
  /** The person wants it (again): Connect, Start again, Use here, Connect again. */
  | { type: 'wanted' };

export type Effect =
  | { do: 'start' }
  | { do: 'connect' }
  | { do: 'disconnect' }
  /** Ask the API what became of the desktop; answered by `desktop`, `check_failed` or `signed_out`. */
  | { do: 'check' }
  | { do: 'retry_after'; ms: number }
  | { do: 'sign_in' };

export interface Step {
  next: Connection;
  effects: Effect[];
}

/** A desktop that failed this recently is shown as failed, not started again. */
const FRESH_FAILURE_S = 60;
/** Refused sockets while it opens before the page says that something is wrong. */
const QUIET_ATTEMPTS = 3;

export function open(options: { autoconnect: boolean; persistent: boolean; insist?: boolean }): Connection {
  return {
    phase: { kind: options.autoconnect ? 'opening' : 'idle' },
    desktop: null,
    socket: false,
    frame: false,
    attempt: 0,
    endedBefore: null,
    start: 'none',
    insist: options.insist ?? false,
    seenDown: false,
    persistent: options.persistent,
  };
}

const SILENT: Phase = { kind: 'lost', why: 'silent', reason: '', retryAt: null, trying: false };

export function isSilent(phase: Phase): boolean {
  return phase.kind === 'lost' && phase.why === 'silent';
}

/** `now` in milliseconds since 1970. */
export function step(was: Connection, event: Event, now: number): Step {
  if (was.phase.kind === 'left') return stay(was);
  switch (event.type) {
    case 'desktop':
      if (was.start === 'seen' && isOldEnd(was, event.desktop)) return stay(was);
      return onDesktop({ ...was, desktop: event.desktop }, now);
    case 'started':
      // The live list may have been quicker, and then it knows more.
      return was.start === 'sent' ? onDesktop({ ...was, desktop: event.desktop, start: 'seen' }, now) : stay(was);
    case 'frame':
      return settle({ ...was, frame: true });
    case 'silent':
      // One that is asleep owes no word.
      return was.phase.kind === 'connected' && was.desktop?.state !== 'frozen' ? stay({ ...was, phase: SILENT }) : stay(was);
    case 'answers':
      return isSilent(was.phase) && was.socket ? stay({ ...was, phase: { kind: 'connected' } }) : stay(was);
    case 'socket_closed':
      return onClosed({ ...was, socket: false, frame: false }, event.code, event.reason, now);
    case 'start_refused':
      return stay({ ...was, start: 'none', phase: { kind: 'failed', message: event.message, log: null } });
    case 'check_failed':
      return lose(was, was.phase.kind === 'lost' ? was.phase.why : 'unreachable', '', now);
    case 'signed_out':
      return { next: { ...was, phase: { kind: 'left' } }, effects: [{ do: 'disconnect' }, { do: 'sign_in' }] };
    case 'retry':
      return onRetry(was);
    case 'wanted':
      return onWanted(was);
  }
}

function onWanted(was: Connection): Step {
  // With a picture on the page, it stays there until the next one.
  const showing = was.phase.kind === 'connected' || was.phase.kind === 'lost';
  const phase: Phase = showing
    ? { kind: 'lost', why: 'asked', reason: '', retryAt: null, trying: true }
    : { kind: 'opening' };
  return {
    next: { ...was, phase, start: 'none', insist: true, attempt: 0, socket: false, frame: false, desktop: null },
    effects: [{ do: 'disconnect' }, { do: 'check' }],
  };
}

function onDesktop(was: Connection, now: number): Step {
  switch (was.phase.kind) {
    case 'opening':
    case 'starting':
      return bringUp(was, now);
    case 'lost':
      return afterLoss(was, now);
    case 'ended':
    case 'failed':
      return afterEnd(was, was.phase, now);
    default:
      return stay(was);
  }
}

/** The person wants it running: start it, follow its stages, connect as soon as there is a screen. */
function bringUp(was: Connection, now: number): Step {
  const desktop = was.desktop;
  switch (desktop?.state) {
    case 'starting':
    case 'frozen':
    case 'ready': {
      const starting = desktop.state === 'starting' || was.phase.kind === 'starting';
      const stage = desktop.state === 'starting' ? desktop.stage : 'ready';
      let phase: Phase = starting ? { kind: 'starting', stage, stoppingFirst: false } : was.phase;
      if (phase.kind === 'opening' && desktop.state === 'frozen') phase = { kind: 'opening', waking: true };
      const connect = hasScreen(desktop) && !was.socket;
      const next: Connection = { ...was, phase, start: 'seen', insist: false, socket: was.socket || connect };
      const settled = settle(next);
      return { next: settled.next, effects: connect ? [{ do: 'connect' }] : [] };
    }
    case 'stopping':
      if (isClosing(desktop)) {
        const connect = !was.socket;
        return { next: { ...was, insist: false, socket: true }, effects: connect ? [{ do: 'connect' }] : [] };
      }
      // One whose start was seen goes, and why will be known.
      if (was.start === 'seen') return stay(was);
      return stay({ ...was, start: 'none', phase: { kind: 'starting', stage: null, stoppingFirst: true } });
    case 'failed':
      if (was.start === 'seen' || (was.start === 'none' && !was.insist && isFresh(desktop, now))) {
        const failed = fail(was, desktop.message ?? '', desktop.log);
        return { ...failed, next: { ...failed.next, seenDown: true } };
      }
      break;
    case 'gone':
      if (was.start === 'seen') return end(was, 'stopped', desktop.message ?? '', desktop.log);
      break;
  }
  if (was.start !== 'none') return stay(was);
  const phase: Phase = { kind: 'starting', stage: null, stoppingFirst: false };
  const endedBefore = desktop && isOver(desktop) ? desktop.since : null;
  return { next: { ...was, phase, start: 'sent', endedBefore }, effects: [{ do: 'start' }] };
}

function afterLoss(was: Connection, now: number): Step {
  const desktop = was.desktop;
  // It does not answer because it was put to sleep: that is said in its place.
  if (isSilent(was.phase) && was.socket && desktop?.state === 'frozen') return stay({ ...was, phase: { kind: 'connected' } });
  switch (desktop?.state) {
    case 'ready':
    case 'frozen':
      if (was.socket) return stay(was);
      return { next: { ...was, socket: true }, effects: [{ do: 'connect' }] };
    case 'starting':
      return bringUp({ ...was, phase: { kind: 'starting', stage: desktop.stage, stoppingFirst: false } }, now);
    case 'stopping':
      if (isClosing(desktop) && was.socket) return stay(was);
      if (isClosing(desktop)) return { next: { ...was, socket: true }, effects: [{ do: 'connect' }] };
      return lose(was, lostWhy(was), '', now);
    case 'failed':
      return crash(was, desktop.message ?? '', desktop.log);
    default:
      return end(was, 'stopped', desktop?.message ?? '', desktop?.log ?? null);
  }
}

/** It is over; another window may start it again, and its log may arrive late. */
function afterEnd(was: Connection, phase: Phase & { kind: 'ended' | 'failed' }, now: number): Step {
  const desktop = was.desktop;
  if (phase.kind === 'ended' && (phase.cause === 'replaced' || phase.cause === 'full')) return stay(was);
  if (!desktop || desktop.state === 'absent' || desktop.state === 'stopping') return stay({ ...was, seenDown: true });
  if (desktop.state === 'failed' && phase.kind === 'ended' && phase.cause === 'stopped') {
    // When the socket was closed its end was not known yet.
    const { next } = crash(was, desktop.message ?? '', desktop.log);
    return stay({ ...next, seenDown: true });
  }
  if (desktop.state === 'gone' || desktop.state === 'failed') {
    // A socket that was not told in time only knows that it is over.
    const isKnown = desktop.state === 'gone' && phase.kind === 'ended' && phase.cause === 'stopped';
    const message = (isKnown && desktop.message) || phase.message || (desktop.message ?? '');
    return stay({ ...was, seenDown: true, phase: { ...phase, message, log: desktop.log ?? phase.log } });
  }
  if (!was.seenDown) return stay(was);
  return bringUp({ ...was, phase: { kind: 'starting', stage: null, stoppingFirst: false }, start: 'seen' }, now);
}

function onClosed(was: Connection, code: number, reason: string, now: number): Step {
  if (was.phase.kind === 'ended' || was.phase.kind === 'failed' || was.phase.kind === 'idle') return stay(was);
  const meaning = meaningOf(code);
  switch (meaning.kind) {
    case 'signed_out':
      return { next: { ...was, phase: { kind: 'left' } }, effects: [{ do: 'sign_in' }] };
    case 'ended':
      // The socket may be quicker than the live list.
      return meaning.cause === 'crashed' ? crash(was, reason, null) : end(was, meaning.cause, reason, null);
    default:
      // A refused try after "restarting" is still the restart.
      return lose(was, meaning.kind === 'dropped' ? lostWhy(was) : meaning.kind, meaning.kind === 'unreachable' ? reason : '', now);
  }
}

function onRetry(was: Connection): Step {
  // What is over is not tried again, although the time for it had been set.
  if (was.socket || was.phase.kind === 'ended' || was.phase.kind === 'failed') return stay(was);
  const phase: Phase = was.phase.kind === 'lost' ? { ...was.phase, retryAt: null, trying: true } : was.phase;
  return { next: { ...was, phase }, effects: [{ do: 'check' }] };
}

/** Connected means: the desktop is ready and its picture is there. */
function settle(was: Connection): Step {
  const { kind } = was.phase;
  const waiting = kind === 'opening' || kind === 'starting' || kind === 'lost';
  const { desktop } = was;
  if (!waiting || !was.frame || !was.socket || !desktop || !hasPicture(desktop)) return stay(was);
  // What draws is awake, though the news of it may still be on the way.
  const state = desktop.state === 'frozen' ? 'ready' : desktop.state;
  return stay({ ...was, desktop: { ...desktop, state }, phase: { kind: 'connected' }, attempt: 0, start: 'none', seenDown: false });
}

function lose(was: Connection, why: Why, reason: string, now: number): Step {
  const next: Connection = { ...was, attempt: was.attempt + 1 };
  const ms = pause(why, was.attempt);
  const quiet = was.phase.kind === 'starting' || was.phase.kind === 'opening';
  // One that does not answer has had its time.
  if (quiet && why !== 'silent' && next.attempt <= QUIET_ATTEMPTS) return { next, effects: [{ do: 'retry_after', ms }] };
  if (!was.persistent) {
    return stay({ ...next, phase: { kind: 'lost', why, reason, retryAt: null, trying: false } });
  }
  return {
    next: { ...next, phase: { kind: 'lost', why, reason, retryAt: now + ms, trying: false } },
    effects: [{ do: 'retry_after', ms }],
  };
}

function pause(why: Why, attempt: number): number {
  if (why !== 'restarting') return delay(DROPPED, attempt);
  return attempt < RESTARTING_TRIES ? delay(RESTARTING, attempt) : delay(DROPPED, attempt - RESTARTING_TRIES);
}

function lostWhy(was: Connection): Why {
  return was.phase.kind === 'lost' && was.phase.why !== 'asked' ? was.phase.why : 'dropped';
}

/** One that never came up here has failed to start. */
function crash(was: Connection, message: string, log: string | null): Step {
  return was.start === 'seen' ? fail(was, message, log) : end(was, 'crashed', message, log);
}

function end(was: Connection, cause: EndCause, message: string, log: string | null): Step {
  return over(was, { kind: 'ended', cause, message, log });
}

function fail(was: Connection, message: string, log: string | null): Step {
  return over(was, { kind: 'failed', message, log });
}

/** `start` stays `seen` for one that never came up. */
function over(was: Connection, phase: Phase): Step {
  const start = was.start === 'seen' ? 'seen' : 'none';
  return {
    next: { ...was, phase, start, seenDown: false, socket: false, frame: false },
    effects: was.socket ? [{ do: 'disconnect' }] : [],
  };
}

function isOver(desktop: Desktop): boolean {
  return desktop.state === 'gone' || desktop.state === 'failed';
}

/** The live list and the answer to the start come by two ways, of which either may be quicker. */
function isOldEnd(was: Connection, desktop: Desktop | null): boolean {
  return desktop !== null && isOver(desktop) && desktop.since !== null && desktop.since === was.endedBefore;
}

function isFresh(desktop: Desktop, now: number): boolean {
  return desktop.since !== null && now / 1000 - desktop.since < FRESH_FAILURE_S;
}

function stay(next: Connection): Step {
  return { next, effects: [] };
}
