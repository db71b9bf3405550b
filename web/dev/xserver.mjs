// A real desktop to look at: Xtigervnc on a unix socket with a few programs, in a folder of its own.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function startScreen() {
  const folder = mkdtempSync(join(tmpdir(), 'deskway-mock-'));
  const path = join(folder, 'vnc.sock');
  const options = ['-rfbunixpath', path, '-rfbport', '-1', '-SecurityTypes', 'None', '-geometry', '1280x800', '-AlwaysShared', '-displayfd', '3'];
  const server = spawn('Xtigervnc', options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const display = await new Promise((resolve, reject) => {
    server.stdio[3].once('data', (data) => resolve(`:${String(data).trim()}`));
    server.once('exit', () => reject(new Error('Xtigervnc did not start')));
  });
  const env = { ...process.env, DISPLAY: display, HOME: folder, XDG_RUNTIME_DIR: folder, XDG_CONFIG_HOME: folder };
  const session = spawn('dbus-run-session', ['startxfce4'], { env, stdio: 'ignore', detached: true });
  session.on('error', () => undefined);
  return {
    path,
    stop: () => {
      if (session.pid) process.kill(-session.pid, 'SIGTERM');
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
