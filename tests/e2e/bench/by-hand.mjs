// A desktop started by hand, without any of ours: the X server and XFCE, or the `vncserver` script.

import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

import { drawn, endAllOf } from './drawn.mjs';

const DISPLAY = 71;

/** `Xtigervnc`, then `startxfce4`: seconds to the RFB greeting and to the drawn desktop. */
export async function byHand(person) {
  const folder = `/run/${person.name}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chownSync(folder, person.uid, person.uid);
  const socket = join(folder, 'rfb');
  const since = performance.now();
  const x = [`:${DISPLAY}`, '-geometry', '1280x800', '-depth', '24', '-rfbunixpath', socket];
  as(person, 'Xtigervnc', [...x, '-rfbport', '-1', '-SecurityTypes', 'None', '-nolisten', 'tcp']);
  await greeting(socket);
  const greeted = performance.now();
  as(person, 'dbus-run-session', ['startxfce4']);
  await drawn(`:${DISPLAY}`);
  const done = performance.now();
  await endAllOf(person);
  removeLocks();
  rmSync(folder, { recursive: true, force: true });
  return { greeting: (greeted - since) / 1000, drawn: (done - since) / 1000 };
}

/** The seed's way: the script, with an `xstartup` that starts XFCE. */
export async function byScript(person) {
  const folder = join(person.home, '.vnc');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'xstartup'), '#!/bin/bash\nstartxfce4 &\nwait\n');
  chmodSync(join(folder, 'xstartup'), 0o755);
  execFileSync('chown', ['-R', person.name, folder]);
  const since = performance.now();
  const flags = ['-localhost', 'yes', '-geometry', '1280x800', '-SecurityTypes', 'None'];
  as(person, 'vncserver', [...flags, `:${DISPLAY}`]);
  await drawn(`:${DISPLAY}`, person);
  const done = performance.now();
  await endAllOf(person);
  removeLocks();
  return { drawn: (done - since) / 1000 };
}

/** What an X server leaves behind that was killed. */
function removeLocks() {
  rmSync(`/tmp/.X${DISPLAY}-lock`, { force: true });
  rmSync(`/tmp/.X11-unix/X${DISPLAY}`, { force: true });
}

export function as(person, program, args) {
  const become = ['--reuid', person.name, '--regid', person.name, '--init-groups'];
  return spawn('setpriv', [...become, 'env', '-i', ...environment(person), program, ...args], {
    cwd: person.home,
    stdio: 'ignore',
    detached: true,
  });
}

function environment(person) {
  const path = '/usr/local/bin:/usr/bin:/bin';
  const names = { HOME: person.home, USER: person.name, LOGNAME: person.name, SHELL: '/bin/bash' };
  const all = { ...names, PATH: path, LANG: 'C.UTF-8', DISPLAY: `:${DISPLAY}` };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}

/** Resolves with the first bytes of the VNC server; tries again until somebody listens. */
function greeting(path) {
  return new Promise((resolve) => {
    const attempt = () => {
      const socket = connect(path);
      socket.once('data', (data) => {
        socket.destroy();
        resolve(data);
      });
      socket.once('error', () => setTimeout(attempt, 1));
    };
    attempt();
  });
}
