// Throwaway accounts of this machine: made for a test, taken away after it.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** How long a person's processes may take to end, in milliseconds. */
const REMOVAL_PATIENCE = 60_000;

/** A new account with a password and a home of its own. */
export function makePerson(label, fullName = 'Somebody') {
  const name = `dwt-${label}${randomBytes(4).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  execFileSync('useradd', ['--create-home', '--shell', '/bin/bash', '--comment', fullName, name]);
  const home = `/home/${name}`;
  chmodSync(home, 0o700);
  execFileSync('chpasswd', { input: `${name}:${password}\n` });
  const uid = Number(execFileSync('id', ['-u', name], { encoding: 'utf8' }));
  return { name, password, home, uid };
}

/** Takes an account away, with its home and with all that still runs as it. */
export async function removePerson(person) {
  const deadline = Date.now() + REMOVAL_PATIENCE;
  // What writes into the home while it is removed keeps it there.
  for (let left = processesOf(person); left.length > 0; left = processesOf(person)) {
    if (Date.now() > deadline) throw new Error(`${person.name} still has ${left[0].args}`);
    for (const { pid } of left) end(pid);
    await pause(50);
  }
  execFileSync('userdel', ['--force', '--remove', person.name], { stdio: 'ignore' });
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A new group of this machine: its name. */
export function makeGroup(label) {
  const name = `dwt-${label}${randomBytes(3).toString('hex')}`;
  execFileSync('groupadd', [name]);
  return name;
}

export function removeGroup(name) {
  execFileSync('groupdel', ['--force', name], { stdio: 'ignore' });
}

/** The processes of a person: `{ pid, args }` each, zombies left out. */
export function processesOf(person) {
  const ps = ['-o', 'pid=,stat=,args=', '-u', String(person.uid)];
  let text = '';
  try {
    text = execFileSync('ps', ps, { encoding: 'utf8' });
  } catch {
    return []; // ps ends with 1 when there is none
  }
  const rows = text.split('\n').map((row) => row.trim().match(/^(\d+)\s+(\S+)\s+(.*)$/));
  return rows
    .filter((row) => row && !row[2].startsWith('Z'))
    .map((row) => ({ pid: Number(row[1]), args: row[3] }));
}

/** The number of the one process of a person whose command line matches. */
export function pidOf(person, pattern) {
  const found = processesOf(person).filter((it) => pattern.test(it.args));
  if (found.length !== 1) {
    throw new Error(`${found.length} processes of ${person.name} match ${pattern}`);
  }
  return found[0].pid;
}

/**
 * Whether a person's desktop is in a control group that holds its memory, say: on some machines, as in
 * many containers, there are none.
 */
export function isHeld(person, controller) {
  const groups = readFileSync(`/proc/${pidOf(person, /^\S*Xtigervnc/)}/cgroup`, 'utf8').split('\n');
  const of = (line) => line.split(':')[1].split(',');
  return groups.some((line) => /deskway/.test(line) && (line.startsWith('0::') || of(line).includes(controller)));
}

/** The environment of a process, as an object. */
export function environmentOf(pid) {
  const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
  return Object.fromEntries(entries.map((entry) => entry.split(/=(.*)/s).slice(0, 2)));
}

/** Runs a program inside a person's desktop: same namespace, account and display. */
export function insideDesktop(person, program, args = []) {
  const pid = pidOf(person, /^\S*xfce4-session$|^xterm/);
  const { DISPLAY, XAUTHORITY, HOME } = environmentOf(pid);
  const become = ['--reuid', person.name, '--regid', person.name, '--init-groups'];
  const enter = ['--mount', '--target', String(pid), 'setpriv', ...become];
  const set = ['env', `DISPLAY=${DISPLAY}`, `XAUTHORITY=${XAUTHORITY}`, `HOME=${HOME}`];
  const command = [...enter, ...set, program, ...args];
  return execFileSync('nsenter', command, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 10_000,
  });
}
