// Listening beyond this machine without a certificate: our own, its fingerprint said, and http led
// to https on the same port. And a configuration that is read again while people are connected.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { connect } from 'node:tls';

import { Deskway } from './support/deskway.mjs';
import { card, desktopIsOpen, expect, signIn, test, viewer } from './support/test.mjs';

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
    const protocol = () => performance.getEntriesByType('navigation')[0].nextHopProtocol;
    await expect.poll(() => page.evaluate(protocol)).toBe('h2');
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

test('certificates by name, and new ones while people are connected', async ({ browser, alice }) => {
  const folder = mkdtempSync('/run/dwt-certificates-');
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const config = `[tls]
certificates = [
  { cert = "${cert}", key = "${key}" },
  { cert = "${join(folder, 'lab.pem')}", key = "${join(folder, 'lab.key')}" },
]
`;
  make('desk.test', cert, key, ['-newkey', 'rsa:2048']);
  make('*.lab.test', join(folder, 'lab.pem'), join(folder, 'lab.key'));
  const deskway = await Deskway.start({ config });
  let going = true;
  const failures = [];
  try {
    const { port } = new URL(deskway.url);
    const name = async (host) => (await shown(port, host)).subject.CN;
    expect(await name('desk.test')).toBe('desk.test');
    expect(await name('any.lab.test')).toBe('*.lab.test');
    expect(await name('nobody.test')).toBe('desk.test');

    const context = await browser.newContext({ baseURL: `https://127.0.0.1:${port}`, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await signIn(page, alice);
    await expect(card(page, alice.name)).toBeVisible();
    // An event stream on the page's one connection, and a connection of the time before.
    await page.evaluate(() => {
      globalThis.left = 0;
      new EventSource('/api/v1/events').addEventListener('error', () => (globalThis.left += 1));
    });
    const early = await open(port);

    let handshakes = 0;
    const visits = [1, 2, 3].map(async () => {
      while (going) {
        await shown(port, 'desk.test').then(() => (handshakes += 1), (error) => failures.push(error));
      }
    });
    make('second.test', cert, key);
    const since = Date.now();
    await expect.poll(() => name('desk.test'), { intervals: [100] }).toBe('second.test');
    expect(Date.now() - since).toBeLessThan(5_000);

    writeFileSync(key, readFileSync(join(folder, 'lab.key')));
    await expect.poll(() => deskway.log).toMatch(/old certificate stays in use.*cert\.pem.*key\.pem.*do not work together/);
    expect(await name('desk.test')).toBe('second.test');
    make('third.test', cert, key);
    await expect.poll(() => name('desk.test')).toBe('third.test');

    expect(await page.evaluate(() => globalThis.left)).toBe(0);
    expect(await answer(early)).toMatch(/^HTTP\/1.1 200 /);

    // A front that is started again has them too.
    going = false;
    await Promise.all(visits);
    expect(failures).toEqual([]);
    expect(handshakes).toBeGreaterThan(20);
    const front = deskway.pidOf('serve');
    process.kill(front, 'SIGKILL');
    await expect.poll(() => deskway.log).toContain('role="serve"');
    await expect.poll(() => name('any.lab.test').catch(String)).toBe('*.lab.test');
    expect(await name('desk.test')).toBe('third.test');
    expect(deskway.log).not.toContain('PRIVATE KEY');
  } finally {
    going = false;
    await deskway.remove();
    rmSync(folder, { recursive: true });
  }
});

/** A self-signed certificate for `name`, and its key. */
function make(name, cert, key, kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']) {
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
  const files = ['-keyout', `${key}.new`, '-out', `${cert}.new`];
  execFileSync('openssl', ['req', '-x509', '-nodes', ...kind, ...subject, ...files], { stdio: 'ignore' });
  renameSync(`${cert}.new`, cert);
  renameSync(`${key}.new`, key);
}

/** The certificate that is shown to whoever calls that name. */
function shown(port, servername) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', servername, rejectUnauthorized: false });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate();
      socket.destroy();
      resolve(certificate);
    });
  });
}

/** A connection on which one request was answered. */
function open(port) {
  return new Promise((resolve, reject) => {
    const options = { port: Number(port), host: '127.0.0.1', rejectUnauthorized: false };
    const socket = connect(options, () => {
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
      socket.once('data', () => resolve(socket));
    });
    socket.once('error', reject);
  });
}

/** What comes for one more request on it. */
function answer(socket) {
  return new Promise((resolve, reject) => {
    socket.once('data', (data) => resolve(String(data)));
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  });
}

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
