// The original of websockify, Debian's package, in front of a desktop.

import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';

/** Starts it on a free port. `end` ends it. */
export async function startWebsockify(desktop, options = []) {
  const port = await freePort();
  const args = [...options, '--unix-target', desktop.socket, `127.0.0.1:${port}`];
  const child = spawn('websockify', args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  await Promise.race([listening(port), ended.then((code) => Promise.reject(new Error(`websockify: ${code}`)))]);
  const end = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  return { port, end };
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Resolves when somebody listens there. */
function listening(port) {
  return new Promise((resolve) => {
    const attempt = () => {
      const socket = connect({ port, host: '127.0.0.1' }, () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', () => setTimeout(attempt, 10));
    };
    attempt();
  });
}
