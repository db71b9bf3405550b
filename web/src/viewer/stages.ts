// The stages of a start with the moments at which they began, as the page saw them.

import type { Phase } from './connection.ts';

export type StageName = 'screen' | 'session' | 'ready';
export const STAGES: readonly StageName[] = ['screen', 'session', 'ready'];

/** Milliseconds of the page's clock at which each stage began. */
export type StageTimes = Partial<Record<StageName, number>>;

export interface StageLine {
  name: StageName;
  state: 'waiting' | 'active' | 'done';
  /** How long it took or has been taking. */
  ms: number | null;
}

/** Notes the beginning of the stage that `phase` is in; other phases forget all times. */
export function track(times: StageTimes, phase: Phase, now: number): StageTimes {
  if (phase.kind !== 'starting') return {};
  const reached = STAGES.indexOf(phase.stage ?? 'screen');
  const next: StageTimes = {};
  for (const [index, name] of STAGES.entries()) {
    if (index <= reached) next[name] = times[name] ?? now;
  }
  return next;
}

export function lines(times: StageTimes, now: number): StageLine[] {
  return STAGES.map((name, index) => {
    const began = times[name];
    const following = STAGES[index + 1];
    const ended = following && times[following];
    if (began === undefined) return { name, state: 'waiting', ms: null };
    if (ended !== undefined) return { name, state: 'done', ms: ended - began };
    return name === 'ready' ? { name, state: 'done', ms: null } : { name, state: 'active', ms: now - began };
  });
}
