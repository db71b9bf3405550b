// Who gets in, who does not, and what signing out ends.

import { execFileSync } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { desktopIsOpen, expect, signIn, test } from './support/test.mjs';

test('a guest without a cookie gets nothing', async ({ deskway, alice, browser }) => {
  const page = await (await browser.newContext({ baseURL: deskway.url })).newPage();
  for (const path of ['/', `/d/${alice.name}/`, `/novnc/${alice.name}/vnc.html`]) {
    await page.goto(path);
    expect(new URL(page.url()).pathname).toBe('/sign-in');
  }
  for (const path of ['/api/v1/me', '/api/v1/desktops', '/api/v1/events']) {
    expect((await page.request.get(path)).status()).toBe(401);
  }
  for (const path of [`/d/${alice.name}/websockify`, `/novnc/${alice.name}/websockify`]) {
    expect(await upgradeStatus(deskway, path, { origin: deskway.url })).toBe(401);
  }
});

test("one person's cookie does not open another's desktop", async ({ page, deskway, alice, bob }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  await page.goto('/');
  const cookies = await page.context().cookies();
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  expect((await page.request.get(`/d/${bob.name}/`)).status()).toBe(404);
  const own = await upgradeStatus(deskway, `/d/${alice.name}/websockify`, { origin: deskway.url, cookie });
  expect(own).toBe(101);
  const foreign = await upgradeStatus(deskway, `/d/${bob.name}/websockify`, { origin: deskway.url, cookie });
  expect(foreign).toBe(404);
  const evil = { origin: 'http://evil.example', cookie };
  expect(await upgradeStatus(deskway, `/d/${alice.name}/websockify`, evil)).toBe(403);
  const otherPort = { origin: 'http://127.0.0.1:1', cookie };
  expect(await upgradeStatus(deskway, `/d/${alice.name}/websockify`, otherPort)).toBe(403);
});

test('signing out cuts the open desktop', async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  const second = await page.context().newPage();
  await second.goto('/');
  await second.getByRole('button', { name: /^Account of/ }).click();
  await second.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/sign-in/, { timeout: 3_000 });
});

test('signing in works without JavaScript, up to the portal', async ({ browser, deskway, alice }) => {
  const context = await browser.newContext({ javaScriptEnabled: false, baseURL: deskway.url });
  const page = await context.newPage();
  await signIn(page, alice);
  await expect(page).toHaveURL(`${deskway.url}/`);
  await expect(page.getByRole('heading', { name: /JavaScript/ })).toBeVisible();
});

test('a wrong password says what to do and keeps the name', async ({ page, alice }) => {
  await signIn(page, { name: alice.name, password: 'not the password' });
  await expect(page.getByRole('alert')).toBeVisible();
  await expect(page.locator('input[name=name]')).toHaveValue(alice.name);
  await expect(page.locator('input[name=password]')).toBeFocused();
});

test('while desktops run: no TCP port, private sockets, a front that can do nothing', async ({
  page,
  browser,
  deskway,
  alice,
  bob,
}) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  const other = await (await browser.newContext({ baseURL: deskway.url })).newPage();
  await signIn(other, bob, `/d/${bob.name}/`);
  await desktopIsOpen(page);
  await desktopIsOpen(other);

  const port = Number(new URL(deskway.url).port);
  const listening = listeningPortsOf([alice, bob]);
  expect(listening).toEqual([]);
  expect(listeningPorts()).toContain(port);

  const dirs = readdirSync(join(deskway.runDir, 's')).map((id) => join(deskway.runDir, 's', id));
  const own = dirs.filter((dir) => statSync(dir).uid === alice.uid);
  expect(own).toHaveLength(1);
  expect(statSync(own[0]).mode & 0o777).toBe(0o700);
  expect(statSync(join(own[0], 'vnc.sock')).mode & 0o777).toBe(0o600);
  for (const name of ['vnc.sock', 'agent.sock', 'Xauthority', 'log']) {
    expect(() => asPerson(bob, ['stat', join(own[0], name)])).toThrow(/Permission denied/);
  }
  expect(() => asPerson(bob, ['ls', own[0]])).toThrow(/Permission denied/);

  const status = readFileSync(`/proc/${deskway.pidOf('serve')}/status`, 'utf8');
  const field = (name) => status.match(new RegExp(`^${name}:\\s+(.*)$`, 'm'))[1];
  expect(field('Uid').split(/\s+/)).not.toContain('0');
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
    expect(BigInt(`0x${field(set)}`)).toBe(0n);
  }
  expect(field('Seccomp')).toBe('2');
  expect(field('NoNewPrivs')).toBe('1');
});

test('passwords are in no log, no argument and no address', async ({ page, deskway, alice }) => {
  const addresses = [];
  page.on('request', (request) => addresses.push(request.url()));
  const wrong = 'a-marked-wrong-password';
  await signIn(page, { name: alice.name, password: wrong });
  await expect(page.getByRole('alert')).toBeVisible();
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  const [cookie] = await page.context().cookies();
  const told = [deskway.log, addresses.join('\n'), everyCommandLine()];
  expect(addresses.length).toBeGreaterThan(5);
  expect(deskway.log).toContain(alice.name);
  for (const text of told) {
    for (const secret of [wrong, alice.password, cookie.value]) expect(text).not.toContain(secret);
  }
});

/** The status that the server answers a WebSocket upgrade with. */
function upgradeStatus(deskway, path, headers) {
  const { hostname, port } = new URL(deskway.url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      hostname,
      port,
      path,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        'sec-websocket-protocol': 'binary',
        ...headers,
      },
    });
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
    request.end();
  });
}

/** The arguments of every process of this machine. */
function everyCommandLine() {
  const read = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return ''; // ended meanwhile
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(read).join('\n');
}

function asPerson(person, command) {
  const become = ['--reuid', person.name, '--regid', person.name, '--init-groups'];
  return execFileSync('setpriv', [...become, ...command], { encoding: 'utf8', stdio: 'pipe' });
}

/** Listening TCP sockets: `{ port, uid }` each, from the kernel's own tables. */
function listeners() {
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    readFileSync(path, 'utf8').trim().split('\n').slice(1),
  );
  const fields = rows.map((row) => row.trim().split(/\s+/)).filter((row) => row[3] === '0A');
  return fields.map((row) => ({ port: parseInt(row[1].split(':')[1], 16), uid: Number(row[7]) }));
}

const listeningPorts = () => listeners().map((it) => it.port);
const listeningPortsOf = (people) =>
  listeners().filter((it) => people.some((person) => person.uid === it.uid));
