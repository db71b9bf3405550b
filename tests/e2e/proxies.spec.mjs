// Behind a reverse proxy: each of Debian's, started with exactly what `deskway proxy-config`
// prints, below `/` and below `/desk`.

import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Deskway, PROGRAM } from './support/deskway.mjs';
import { PROXIES, Proxy, proxyConfig } from './support/proxy.mjs';
import { desktopIsOpen, expect, screen, signIn, test as base, viewer } from './support/test.mjs';

/** How long the desktops are left alone: longer than any proxy's usual timeout. */
const IDLE = 3 * 60_000;

// One terminal and no more, so that eight pictures of it cost little.
const CONFIG = (basePath) => `
[server]
base_path = "${basePath}"
trusted_proxies = ["127.0.0.1", "unix"]

[desktops]
geometry = "400x300"
default_profile = "bare"

[[profile]]
id = "bare"
name = "A terminal"
command = ["xterm", "-geometry", "60x20+0+0"]
`;

const LISTENERS = (socket) => `
[[listen]]
address = "127.0.0.1:0"
protocol = "https"

[[listen]]
address = "unix:${socket}"
socket_mode = "0666"
`;

const test = base.extend({
  /** `{ proxy, deskway, name }` for each proxy in front of each of two Deskways. */
  setUps: [
    async ({}, use) => {
      const [deskways, proxies] = [[], []];
      try {
        const setUps = [];
        for (const basePath of ['', '/desk']) {
          const deskway = await Deskway.start({ config: CONFIG(basePath) });
          deskways.push(deskway);
          for (const kind of PROXIES) {
            const proxy = await Proxy.start(kind, deskway);
            proxies.push(proxy);
            setUps.push({ proxy, deskway, name: `${kind} ${basePath}/` });
          }
        }
        await use(setUps);
      } finally {
        await removeAll(proxies);
        await removeAll(deskways);
      }
    },
    { scope: 'worker', timeout: 90_000 },
  ],
});

test('through each proxy a desktop opens, and is still open after three idle minutes', async ({ browser, alice, setUps }) => {
  test.setTimeout(IDLE + 5 * 60_000);
  const visits = [];
  for (const { proxy, deskway, name } of setUps) {
    const context = await browser.newContext({ viewport: { width: 420, height: 320 } });
    const page = await context.newPage();
    const sockets = [];
    page.on('websocket', (socket) => sockets.push(socket));
    await signIn(page, alice, `${proxy.url}/d/${alice.name}/?resize=off`);
    await desktopIsOpen(page);
    await follow(page, proxy.url);
    visits.push({ context, page, sockets, deskway, name });
  }
  for (const { page, name } of visits) {
    await expect.poll(() => told(page, alice), name).toBe('ready');
  }

  const cut = visits.flatMap(({ sockets, name }) =>
    sockets.map((socket) => socket.waitForEvent('close', { timeout: 0 }).then(() => `${name} was cut`)),
  );
  const idle = new Promise((resolve) => setTimeout(() => resolve('nothing happened'), IDLE));
  expect(await Promise.race([...cut, idle])).toBe('nothing happened');

  for (const { page, sockets, name } of visits) {
    await expect(viewer(page), name).toHaveAttribute('data-state', 'connected');
    expect(sockets.map((socket) => socket.isClosed()), name).toEqual([false]);
    const before = await screen(page).evaluate(pixels);
    await screen(page).click({ position: { x: 50, y: 50 } });
    await page.keyboard.type('echo');
    await expect.poll(() => screen(page).evaluate(pixels), name).not.toBe(before);
  }
  for (const { runDir } of new Set(setUps.map(({ deskway }) => deskway))) {
    execFileSync(PROGRAM, ['desktop', 'stop', '--all', '--run-dir', runDir]);
  }
  for (const { page, name } of visits) {
    await expect.poll(() => told(page, alice), name).not.toBe('ready');
  }
  // Waits that have not ended, end with their pages.
  for (const wait of cut) wait.catch(() => {});
  for (const { context } of visits) await context.close();
});

test('each speaks https with a certificate of its own, and reaches Deskway by its unix socket or by https', async ({ browser, alice }) => {
  test.setTimeout(3 * 60_000);
  const folder = mkdtempSync(join(tmpdir(), 'dwt-proxies-'));
  chmodSync(folder, 0o755);
  const certificate = join(folder, 'both.pem');
  const make = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=127.0.0.1'];
  execFileSync('openssl', [...make, '-keyout', certificate, '-out', join(folder, 'cert.pem')], { stdio: 'ignore' });
  appendFileSync(certificate, readFileSync(join(folder, 'cert.pem')));
  const socket = join(folder, 'http.sock');
  const deskway = await Deskway.start({ config: CONFIG('') + LISTENERS(socket), listen: '' });
  const { host } = new URL(deskway.url);
  const proxies = [];
  const ways = [{ upstream: `unix:${socket}`, certificate }, { upstream: `https://${host}`, certificate }];
  try {
    for (const kind of PROXIES) {
      for (const way of ways) {
        const proxy = await Proxy.start(kind, deskway, way);
        proxies.push(proxy);
        const context = await browser.newContext({ viewport: { width: 420, height: 320 } });
        const page = await context.newPage();
        await signIn(page, alice, `${proxy.url}/d/${alice.name}/?resize=off`);
        await desktopIsOpen(page);
        await context.close();
      }
    }
  } finally {
    await removeAll(proxies);
    await deskway.remove();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('each proxy passes on the browser\'s own address, and not what the browser says of itself', async ({ setUps }) => {
  // Every address of 127.0.0.0/8 is this machine's, so that a visitor can have one of its own.
  let last = 10;
  for (const { proxy, deskway, name } of setUps) {
    const localAddress = `127.0.0.${(last += 1)}`;
    const forged = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9;proto=https' };
    const status = await submit(proxy, localAddress, { ...forged, 'x-forwarded-proto': 'https' });
    expect(status, name).toBe(401);
    await expect.poll(() => deskway.log, name).toContain(localAddress);
    expect(deskway.log, name).not.toContain('203.0.113.9');
  }
});

test('requests as long as Deskway takes them pass', async ({ setUps }) => {
  for (const { proxy, name } of setUps) {
    const cookie = `theirs=${'x'.repeat(6_000)}; also=${'y'.repeat(6_000)}`;
    const status = await answer(`${proxy.url}/sign-in`, { headers: { cookie } });
    expect(status, name).toBe(200);
  }
});

test('what is not below the base path is not ours', async ({ setUps }) => {
  for (const { proxy, name } of setUps.filter(({ name }) => name.endsWith('/desk/'))) {
    expect(await answer(`${proxy.origin}/deskevil/`, {}), name).toBe(404);
    expect(await answer(`${proxy.origin}/desk`, {}), name).toBe(308);
  }
});

// Debian has no Traefik: what can be said is that both files are YAML with the parts that its
// documentation names.
test('what is printed for Traefik is YAML with a router to Deskway', async ({ setUps }) => {
  const [{ deskway }] = setUps;
  const flags = ['--name', 'desk.example.org', '--base-path', '/desk', '--upstream', '127.0.0.1:6080'];
  const read = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))';
  const parse = (text) => JSON.parse(execFileSync('python3', ['-c', read], { input: text, encoding: 'utf8' }));
  const [whole, dynamic] = parse(proxyConfig('traefik', deskway, flags));
  expect(whole.entryPoints.web.address).toBe(':80');
  expect(whole.entryPoints.web.transport.respondingTimeouts.readTimeout).toBe(0);
  expect(whole.providers.file.directory).toBe('/etc/traefik/dynamic');
  const { deskway: router } = dynamic.http.routers;
  expect(router.entryPoints).toEqual(['web']);
  expect(router.rule).toBe('Host(`desk.example.org`) && (Path(`/desk`) || PathPrefix(`/desk/`))');
  const service = dynamic.http.services[router.service].loadBalancer;
  expect(service.servers).toEqual([{ url: 'http://127.0.0.1:6080' }]);
  expect(service.passHostHeader).toBe(true);
  expect(parse(proxyConfig('traefik', deskway, [...flags, '--site']))).toEqual([dynamic]);
});

/** Apache takes 10 s to end, but not one after the other. */
function removeAll(started) {
  return Promise.all(started.map((it) => it.remove()));
}

/** Has the page listen to the server-sent events, as the portal does. */
function follow(page, url) {
  return page.evaluate((events) => {
    window.told = [];
    window.events = new EventSource(events);
    window.events.addEventListener('desktops', ({ data }) => window.told.push(JSON.parse(data)));
  }, `${url}/api/v1/events`);
}

/** The state of a person's main desktop as it was last told to the page. */
function told(page, person) {
  return page.evaluate((id) => window.told.at(-1)?.desktops.find((it) => it.id === id)?.state, person.name);
}

/** Tries to sign in with a wrong password, from that address: the answer's status. */
function submit(proxy, localAddress, headers) {
  const body = 'name=dwt-nobody&password=wrong';
  const form = { 'content-type': 'application/x-www-form-urlencoded', origin: proxy.origin };
  return answer(`${proxy.url}/sign-in`, { method: 'POST', localAddress, headers: { ...form, ...headers } }, body);
}

function answer(url, options, body) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, ...options }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

/** All that a canvas shows. Runs in the page. */
function pixels(canvas) {
  return canvas.toDataURL();
}
