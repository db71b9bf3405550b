// What Deskway's own processes hold, shared pages counted by share (PSS), in MB.

import { readFileSync } from 'node:fs';

import { processesOf } from '../support/people.mjs';

export function memory(deskway, person) {
  const agents = processesOf(person).filter((it) => /deskway agent|exe agent/.test(it.args));
  const parent = (pid) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').match(/\) \S (\d+)/)[1]);
  return {
    'gateway (serve)': pss(deskway.pidOf('serve')),
    launcher: pss(deskway.pidOf('launcher')),
    'supervisor (up)': pss(deskway.process.pid),
    'session child of a desktop': pss(parent(agents[0].pid)),
    'agent of a desktop': pss(agents[0].pid),
  };
}

function pss(pid) {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(rollup.match(/^Pss:\s+(\d+) kB/m)[1]) / 1000;
}
