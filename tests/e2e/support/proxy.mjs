// A reverse proxy of Debian's in front of a Deskway, started with what `deskway proxy-config`
// prints and nothing else. It keeps what it writes in a folder of its own.

import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PROGRAM } from './deskway.mjs';

/** How long a proxy may take to listen. */
const START = 15_000;
/** A port that is free may be somebody else's a moment later: then another one is tried. */
const TRIES = 5;
const TAKEN = /address already in use/i;

/** How each is started in the foreground: `{ argv, env }`, and ended where not by SIGTERM: `end`. */
const PROGRAMS = {
  // Its own folders are compiled in: others are put over them, for its eyes alone.
  nginx: (file, folder) => {
    const hide = 'for own in /var/lib/nginx /var/log/nginx; do mount -t tmpfs none $own || exit 1; done';
    const run = `exec nginx -c ${file} -g 'daemon off; pid ${join(folder, 'pid')};'`;
    return { argv: ['unshare', '--mount', 'sh', '-c', `${hide}; ${run}`] };
  },
  haproxy: (file) => ({ argv: ['haproxy', '-f', file] }),
  apache: (file, folder) => ({
    argv: ['apache2', '-DFOREGROUND', '-f', file],
    env: {
      APACHE_RUN_DIR: folder,
      APACHE_LOCK_DIR: folder,
      APACHE_LOG_DIR: folder,
      APACHE_PID_FILE: join(folder, 'pid'),
      APACHE_RUN_USER: 'www-data',
      APACHE_RUN_GROUP: 'www-data',
    },
  }),
  caddy: (file, folder) => ({
    argv: ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
    env: {
      CADDY_ADMIN: `unix/${join(folder, 'admin.sock')}`,
      XDG_CONFIG_HOME: folder,
      XDG_DATA_HOME: folder,
    },
    end: 'SIGQUIT', // it waits for everybody else's connections otherwise
  }),
};

export const PROXIES = Object.keys(PROGRAMS);

/** What `deskway proxy-config` prints. */
export function proxyConfig(kind, deskway, flags) {
  const args = ['proxy-config', kind, '--config', join(deskway.folder, 'deskway.toml'), ...flags];
  return execFileSync(PROGRAM, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

export class Proxy {
  /**
   * Starts a proxy of that kind on a free port; `url` is where it shows Deskway.
   * @param {{ upstream?: string, certificate?: string }} options where it reaches Deskway, and a
   *   file with its own certificate and key
   */
  static async start(kind, deskway, options = {}) {
    for (let tries = 1; ; tries++) {
      try {
        return await Proxy.#tryOnce(kind, deskway, options);
      } catch (error) {
        if (tries === TRIES || !TAKEN.test(error.message)) throw error;
      }
    }
  }

  static async #tryOnce(kind, deskway, { upstream, certificate }) {
    const self = new Proxy();
    self.kind = kind;
    self.folder = mkdtempSync(join(tmpdir(), `dwt-${kind}-`));
    chmodSync(self.folder, 0o755);
    const { host, pathname } = new URL(deskway.url);
    const port = await freePort();
    self.origin = `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`;
    self.url = `${self.origin}${pathname.replace(/\/$/, '')}`;
    const flags = ['--upstream', upstream ?? host, '--listen', `127.0.0.1:${port}`];
    if (certificate) flags.push('--cert', certificate, '--key', certificate);
    const file = join(self.folder, 'config');
    writeFileSync(file, proxyConfig(kind, deskway, flags));
    const { argv, env = {}, end = 'SIGTERM' } = PROGRAMS[kind](file, self.folder);
    self.end = end;
    const [program, ...args] = argv;
    self.process = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    self.log = '';
    for (const stream of [self.process.stdout, self.process.stderr]) {
      stream.on('data', (data) => (self.log += data));
    }
    self.ended = new Promise((resolve) => self.process.once('exit', resolve));
    try {
      await self.#listening(port);
    } catch (error) {
      await self.remove();
      throw error;
    }
    return self;
  }

  /** Resolves when it takes connections, it and nobody else. */
  #listening(port) {
    const { process } = this;
    return new Promise((resolve, reject) => {
      const giveUp = (why) => {
        clearTimeout(late);
        reject(new Error(`${this.kind} ${why}:\n${this.log}`));
      };
      const late = setTimeout(() => giveUp('is not there'), START);
      this.ended.then((code) => giveUp(`ended with ${code}`));
      const attempt = () => {
        if (process.exitCode !== null || process.signalCode !== null) return;
        const listeners = listenersAt(port);
        const own = listeners.length > 0 ? socketsOf(process.pid) : new Set();
        const ours = listeners.filter((socket) => own.has(socket));
        if (ours.length === 0) {
          setTimeout(attempt, 20); // an other's: then it ends by itself
        } else if (ours.length < listeners.length) {
          giveUp('shares its port: address already in use'); // some say SO_REUSEPORT
        } else {
          clearTimeout(late);
          resolve();
        }
      };
      attempt();
    });
  }

  /** Ends it with its children, and takes its folder away. */
  async remove() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(this.end);
    }
    await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The inodes of the sockets that listen on a port of IPv4 (proc(5), /proc/net/tcp). */
function listenersAt(port) {
  const at = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === '0A' && local.endsWith(at))
    .map((columns) => columns[9]);
}

/** The inodes of the sockets that a process has. */
function socketsOf(pid) {
  const folder = `/proc/${pid}/fd`;
  const inodes = new Set();
  try {
    for (const name of readdirSync(folder)) {
      try {
        inodes.add(readlinkSync(join(folder, name)).match(/^socket:\[(\d+)\]$/)?.[1]);
      } catch {
        // closed meanwhile
      }
    }
  } catch {
    // it has ended, which its exit tells
  }
  return inodes;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
