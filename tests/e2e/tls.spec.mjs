// Listening beyond this machine without a certificate: our own, its fingerprint said, and http led
// to https on the same port. And a configuration that is read again while people are connected.

import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { connect } from 'node:tls';

import { Deskway } from './support/deskway.mjs';
import { desktopIsOpen, expect, signIn, test, viewer } from './support/test.mjs';

test('beyond loopback: https with a certificate of our own', async ({ browser, alice }) => {
  const deskway = await Deskway.start({ listen: '0.0.0.0:0' });
  try {
    const { port } = new URL(deskway.url);
    const url = `https://127.0.0.1:${port}`;
    expect(deskway.url).toMatch(/^https:/);
    expect(deskway.log.replaceAll(':', '').toLowerCase()).toContain(await fingerprint(port));
    const answer = await new Promise((resolve) => get(`http://127.0.0.1:${port}/d/x/?y=1`, resolve));
    answer.resume();
    expect(answer.statusCode).toBe(308);
    expect(answer.headers.location).toBe(`${url}/d/x/?y=1`);

    const context = await browser.newContext({ baseURL: url, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await signIn(page, alice, `/d/${alice.name}/`);
    await desktopIsOpen(page);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ name: '__Host-deskway', secure: true, httpOnly: true, sameSite: 'Strict' });
  } finally {
    await deskway.remove();
  }
});

test('SIGHUP reads the configuration again and drops nobody', async ({ page, alice }) => {
  const deskway = await Deskway.start();
  try {
    const file = join(deskway.folder, 'deskway.toml');
    const name = async () => (await page.request.get(`${deskway.url}/sign-in`)).text();
    await signIn(page, alice, `${deskway.url}/d/${alice.name}/`);
    await desktopIsOpen(page);
    const left = [];
    page.on('websocket', (socket) => left.push(socket.url()));

    writeFileSync(file, '[brand]\nname = "The Lab"\n');
    process.kill(deskway.process.pid, 'SIGHUP');
    await expect.poll(name).toContain('The Lab');

    writeFileSync(file, '[brand]\nname = "Wrong"\ncolour = 3\n');
    process.kill(deskway.process.pid, 'SIGHUP');
    await expect.poll(() => deskway.log).toContain('colour');
    expect(await name()).toContain('The Lab');

    // A role that dies later does not go back behind what was read again.
    writeFileSync(file, '[brand]\nname = "The Lab"\n');
    await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
    expect(left).toEqual([]);
    process.kill(deskway.pidOf('serve'), 'SIGKILL');
    await expect.poll(() => name().catch(() => '')).toContain('The Lab');
  } finally {
    await deskway.remove();
  }
});

/** SHA-256 of the certificate that is served, as hex digits. */
function fingerprint(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      resolve(fingerprint256.replaceAll(':', '').toLowerCase());
    });
  });
}
