// A Deskway of its own for a test: `deskway up` with its own folders, on a free port.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PROGRAM =
  process.env.DESKWAY ?? new URL('../../../target/debug/deskway', import.meta.url).pathname;
const READY = /https?:\/\/\S+/;
/** How long it may take until it can be visited, in milliseconds. */
const START_PATIENCE = 60_000;

export class Deskway {
  /**
   * With an empty `listen` it listens where `config` says.
   * `config` may be a function of what is given to it: the folder, in which it may put files.
   * `spawn` starts the program, in place of Node's own.
   * With `copied` it runs a copy of the program where only root can write, as an upgrade wants it.
   * @param {{ config?: string | ((at: { folder: string }) => string), flags?: string[], listen?: string, spawn?: typeof spawn, copied?: boolean }} options
   */
  static async start(options = {}) {
    const folder = `/run/dwt-${randomBytes(4).toString('hex')}`;
    mkdirSync(folder, { mode: 0o755 });
    const self = new Deskway();
    self.folder = folder;
    self.options = options;
    if (options.copied) {
      // Not below /run, where programs may be forbidden.
      self.programFolder = mkdtempSync('/var/tmp/dwt-');
      chmodSync(self.programFolder, 0o755);
      copyFileSync(PROGRAM, join(self.programFolder, 'deskway'));
    }
    const { config = '' } = options;
    const text = typeof config === 'function' ? config({ folder }) : config;
    writeFileSync(join(folder, 'deskway.toml'), patient(text));
    await self.up(options.listen ?? '127.0.0.1:0');
    return self;
  }

  get runDir() {
    return join(this.folder, 'run');
  }

  get program() {
    return this.programFolder ? join(this.programFolder, 'deskway') : PROGRAM;
  }

  async up(listen) {
    const { flags = [], spawn: start = spawn } = this.options;
    const args = ['up', '--config', join(this.folder, 'deskway.toml')];
    if (listen) args.push('--listen', listen);
    args.push('--run-dir', this.runDir, '--state-dir', join(this.folder, 'state'), ...flags);
    this.process = start(this.program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.log = '';
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.stderr.on('data', (data) => (this.log += data));
    this.url = await this.#readyLine();
  }

  /** The first line with an address on standard output says that it can be visited. */
  #readyLine() {
    const lines = createInterface({ input: this.process.stdout });
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not ready in time:\n${this.log}`)), START_PATIENCE);
      lines.on('line', (line) => {
        const match = line.match(READY);
        if (!match) return;
        clearTimeout(late);
        resolve(match[0].replace(/\/$/, ''));
      });
      this.ended.then((code) => reject(new Error(`ended with ${code}:\n${this.log}`)));
    });
  }

  /** The process of a role below this `deskway up`: `launcher` or `serve`. */
  pidOf(role) {
    const children = readFileSync(
      `/proc/${this.process.pid}/task/${this.process.pid}/children`,
      'utf8',
    );
    const title = (pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    const found = children.trim().split(/\s+/).filter((pid) => title(pid) === `deskway-${role}`.slice(0, 15));
    if (found.length !== 1) throw new Error(`${found.length} processes of role ${role}`);
    return Number(found[0]);
  }

  /** Ends `up` without giving it a chance, and everything that it had begun except desktops. */
  async kill() {
    process.kill(this.process.pid, 'SIGKILL');
    await this.ended;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      process.kill(this.process.pid, 'SIGTERM');
    }
    await this.ended;
  }

  /** Ends a person's main desktop, or all desktops, by the command line, as root may. */
  stopDesktops(person) {
    execFileSync(PROGRAM, ['desktop', 'stop', person?.name ?? '--all', '--run-dir', this.runDir]);
  }

  /** Ends the desktops too, and takes the folders away. */
  async remove() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.stopDesktops();
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
    if (this.programFolder) rmSync(this.programFolder, { recursive: true, force: true });
  }

  /** The run directories of the desktops that there are. */
  desktopDirs() {
    return readdirSync(join(this.runDir, 's'));
  }
}

/** The same configuration, with time for a screen on a machine that others keep busy. */
function patient(config) {
  const section = '[desktops]\n';
  const longer = `${section}screen_timeout = "60s"\n`;
  return config.includes(section) ? config.replace(section, longer) : `${config}\n${longer}`;
}
