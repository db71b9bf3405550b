// What Deskway replaces: a VNC server on TCP, Websockify with Debian's noVNC, NGINX in front.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { as } from './by-hand.mjs';
import { drawn, endAllOf } from './drawn.mjs';

export class Chain {
  static async start(person) {
    const self = new Chain();
    self.person = person;
    self.folder = mkdtempSync(join(tmpdir(), 'dwt-chain-'));
    const [vnc, websockify, nginx] = [await freePort(), await freePort(), await freePort()];
    const x = [':71', '-geometry', '1280x800', '-rfbport', String(vnc), '-localhost'];
    as(person, 'Xtigervnc', [...x, '-SecurityTypes', 'None', '-AlwaysShared']);
    await listening(vnc);
    as(person, 'dbus-run-session', ['startxfce4']);
    await drawn(':71');
    const bridge = ['--web', '/usr/share/novnc/', `127.0.0.1:${websockify}`, `127.0.0.1:${vnc}`];
    self.processes = [spawn('websockify', bridge, { stdio: 'ignore' })];
    await listening(websockify);
    writeFileSync(join(self.folder, 'nginx.conf'), configuration(self.folder, nginx, websockify));
    const flags = ['-c', join(self.folder, 'nginx.conf'), '-e', 'stderr'];
    self.processes.push(spawn('nginx', flags, { stdio: 'ignore' }));
    await listening(nginx);
    const query = 'autoconnect=true&resize=remote&path=novnc/alice/websockify';
    self.url = `http://127.0.0.1:${nginx}/novnc/alice/vnc.html?${query}`;
    return self;
  }

  async stop() {
    for (const it of this.processes) it.kill('SIGTERM');
    await endAllOf(this.person);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function configuration(folder, port, websockify) {
  return `
daemon off;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    location /novnc/alice/ { proxy_pass http://127.0.0.1:${websockify}/; }
    location /novnc/alice/websockify {
      proxy_pass http://127.0.0.1:${websockify}/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "Upgrade";
      proxy_set_header Host $host;
    }
  }
}
`;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function listening(port) {
  return new Promise((resolve) => {
    const attempt = () => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', () => setTimeout(attempt, 5));
    };
    attempt();
  });
}
