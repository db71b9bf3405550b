// A plain desktop for a VNC server's test: Xtigervnc on a unix socket, without Deskway.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class XDesktop {
  /** Starts the X server. Its programs and it are ended by `remove`. */
  static async start() {
    const self = new XDesktop();
    self.folder = mkdtempSync(join(tmpdir(), 'dwt-x-'));
    self.socket = join(self.folder, 'vnc.sock');
    self.programs = [];
    try {
      self.display = await self.#startServer();
    } catch (error) {
      await self.remove();
      throw error;
    }
    return self;
  }

  /** Resolves to the display when there is one. */
  #startServer() {
    const args = ['-displayfd', '3', '-rfbunixpath', this.socket, '-rfbunixmode', '0600'];
    args.push('-rfbport', '-1', '-SecurityTypes', 'None', '-geometry', '800x600');
    args.push('-nolisten', 'tcp');
    const server = this.#spawn('Xtigervnc', args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
    let log = '';
    server.stderr.on('data', (data) => (log += data));
    return new Promise((resolve, reject) => {
      let number = '';
      server.stdio[3].on('data', (data) => {
        number += data;
        if (number.endsWith('\n')) resolve(`:${number.trim()}`);
      });
      server.once('error', reject);
      server.once('exit', (code) => reject(new Error(`Xtigervnc ended with ${code}:\n${log}`)));
    });
  }

  /** Starts a program on it. */
  run(program, args) {
    const env = { ...process.env, DISPLAY: this.display };
    this.#spawn(program, args, { env, stdio: 'ignore' });
  }

  #spawn(program, args, options) {
    const child = spawn(program, args, options);
    const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    this.programs.push({ child, ended });
    return child;
  }

  /** Ends the programs, the last one first, and takes the folder away. */
  async remove() {
    for (const { child, ended } of this.programs.reverse()) {
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
