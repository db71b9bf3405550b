// VNC servers behind a WebSocket, attached: the original of websockify, plain and with TLS.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { Deskway } from './support/deskway.mjs';
import { desktopIsOpen, expect, screen, signIn, test, viewer } from './support/test.mjs';
import { freePort, startWebsockify } from './support/websockify.mjs';
import { XDesktop } from './support/x-desktop.mjs';

const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** The relays of all Deskways of this machine. */
function relays() {
  const name = (pid) => read(join('/proc', pid, 'comm')).trim();
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && name(pid) === 'deskway-relay');
}

test('a desktop behind websockify is shown and typed into', async ({ page, alice }) => {
  const desktop = await XDesktop.start();
  const cert = join(desktop.folder, 'cert.pem');
  const key = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=lab'];
  key.push('-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', cert, '-out', `${cert}.crt`);
  execFileSync('openssl', key, { stdio: 'ignore' });
  const secure = ['--ssl-only', '--key', cert, '--cert', `${cert}.crt`];
  const servers = [await startWebsockify(desktop), await startWebsockify(desktop, secure)];
  const config = `
[[attach]]
desktop = "${alice.name}/plain"
target = "ws://127.0.0.1:${servers[0].port}/websockify"

[[attach]]
desktop = "${alice.name}/secure"
target = "wss://127.0.0.1:${servers[1].port}/"
ca_file = "${cert}.crt"

[[attach]]
desktop = "${alice.name}/untrusted"
target = "wss://127.0.0.1:${servers[1].port}/"

[[attach]]
desktop = "${alice.name}/down"
target = "ws://127.0.0.1:${await freePort()}/"
`;
  const deskway = await Deskway.start({ config });
  try {
    const typed = (name) => join(desktop.folder, name);
    const lines = ['plain', 'secure', 'again'].map((name) => `read line; echo "$line" > ${typed(name)}`);
    const script = `echo yes > ${typed('ready')}; ${lines.join('; ')}; sleep 600`;
    desktop.run('xterm', ['-geometry', '120x40+0+0', '-e', 'sh', '-c', script]);
    await expect.poll(() => read(typed('ready'))).toBe('yes\n');

    await signIn(page, alice, `${deskway.url}/`);
    const before = relays().length;
    const type = async (name) => {
      // Without a window manager the keys go where the pointer is.
      await screen(page).click({ position: { x: 200, y: 150 } });
      await page.keyboard.type(`it arrives by ${name}`);
      await page.keyboard.press('Enter');
      await expect.poll(() => read(typed(name))).toBe(`it arrives by ${name}\n`);
    };
    for (const name of ['plain', 'secure']) {
      await page.goto(`${deskway.url}/d/${alice.name}/${name}/?resize=off`);
      await desktopIsOpen(page);
      await expect(screen(page)).toHaveAttribute('width', '800');
      await type(name);
    }

    // The viewer goes on when the launcher is another.
    const launcher = deskway.pidOf('launcher');
    process.kill(launcher, 'SIGKILL');
    await expect.poll(() => existsSync(`/proc/${launcher}`)).toBe(false);
    await type('again');
    await expect(viewer(page)).toHaveAttribute('data-state', 'connected');

    await page.goto(`${deskway.url}/d/${alice.name}/untrusted/`);
    await expect(page.getByText(/nobody whom this machine trusts|its certificate/)).toBeVisible();
    await page.goto(`${deskway.url}/d/${alice.name}/down/`);
    await expect(page.getByText(/Cannot connect to 127\.0\.0\.1:\d+/)).toBeVisible();
    // No viewer, no relay.
    await expect.poll(() => relays().length).toBeLessThanOrEqual(before);
  } finally {
    await deskway.remove();
    for (const server of servers) await server.end();
    await desktop.remove();
  }
});
