// What a desktop is made of: sizes and arguments from the configuration, a command as the session,
// and VNC servers that run already, attached with their password.

import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Deskway } from './support/deskway.mjs';
import { desktopIsOpen, expect, screen, signIn, test } from './support/test.mjs';
import { environmentOf, pidOf, processesOf } from './support/people.mjs';

test('size, depth, resolution, environment and arguments reach the desktop', async ({ page, alice }) => {
  const config = `
[desktops]
geometry = "900x700"
depth = 16
dpi = 120
env = { PLACE = "the lab" }
x_args = ["-CompareFB", "0"]
default_profile = "terminal"

[[profile]]
id = "terminal"
name = "A terminal"
command = ["xterm", "-geometry", "120x50"]
`;
  const deskway = await Deskway.start({ config });
  try {
    await signIn(page, alice, `${deskway.url}/`);
    const status = await page.evaluate(async (url) => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ profile: null, geometry: null });
      return (await fetch(url, { method: 'POST', headers, body })).status;
    }, `/api/v1/desktops/${alice.name}/options/start`);
    expect(status).toBe(202);
    await page.goto(`${deskway.url}/d/${alice.name}/options/?resize=off`);
    await desktopIsOpen(page);
    const own = (it) => it.args.includes(deskway.runDir);
    const x = processesOf(alice).find((it) => /Xtigervnc/.test(it.args) && own(it));
    for (const part of ['-geometry 900x700', '-depth 16', '-dpi 120', '-CompareFB 0']) {
      expect(x.args).toContain(part);
    }
    await expect(screen(page)).toHaveAttribute('width', '900');
    expect(environmentOf(pidOf(alice, /^xterm/)).PLACE).toBe('the lab');
  } finally {
    await deskway.remove();
  }
});

test('running VNC servers are attached by port and by socket, with their password', async ({ page, alice }) => {
  const folder = mkdtempSync(join(tmpdir(), 'dwt-vnc-'));
  chmodSync(folder, 0o755);
  // What `vncpasswd` writes for the password `password`.
  const secret = join(folder, 'passwd');
  writeFileSync(secret, Buffer.from('dbd83cfd727a1458', 'hex'), { mode: 0o600 });
  const plain = join(folder, 'password');
  writeFileSync(plain, 'password\n', { mode: 0o600 });
  const port = await freePort();
  const socket = join(folder, 'vnc.sock');
  const auth = ['-SecurityTypes', 'VncAuth', '-PasswordFile', secret, '-nolisten', 'tcp'];
  const byPort = ['-localhost', '-rfbport', String(port), '-geometry', '640x480'];
  const bySocket = ['-rfbport', '-1', '-rfbunixpath', socket, '-rfbunixmode', '0666', '-geometry', '800x600'];
  const servers = [
    spawn('Xtigervnc', [':61', ...auth, ...byPort], { stdio: 'ignore' }),
    spawn('Xtigervnc', [':62', ...auth, ...bySocket], { stdio: 'ignore' }),
  ];
  const config = `
[[attach]]
desktop = "${alice.name}/port"
target = "127.0.0.1:${port}"
password_file = "${plain}"

[[attach]]
desktop = "${alice.name}/socket"
target = "unix:${socket}"
password_file = "${plain}"
`;
  await Promise.all([listening({ port, host: '127.0.0.1' }), listening({ path: socket })]);
  const deskway = await Deskway.start({ config });
  try {
    await signIn(page, alice, `${deskway.url}/`);
    for (const [name, width] of [['port', '640'], ['socket', '800']]) {
      await page.goto(`${deskway.url}/d/${alice.name}/${name}/?resize=off`);
      await desktopIsOpen(page);
      await expect(screen(page)).toHaveAttribute('width', width);
    }
  } finally {
    await deskway.remove();
    for (const server of servers) server.kill('SIGTERM');
    rmSync(folder, { recursive: true });
  }
});

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Resolves when somebody listens there. */
function listening(where) {
  return new Promise((resolve) => {
    const attempt = () => {
      const socket = connect(where, () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', () => setTimeout(attempt, 10));
    };
    attempt();
  });
}
