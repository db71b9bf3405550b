// A stand-in for the server, to see the pages without it: pages, API, live events, and a bridge to
// one real X server that it starts. What there is to see comes from `scenes.mjs`; the address
// `/?scene=forty` chooses a scene for the browser that asks.
// Usage: npm run build && npm run mock -- --port 5173

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { WebSocketServer } from 'ws';

import { AdminStage } from './crowd.mjs';
import { listFor, signInMessage } from './scenes.mjs';
import { render } from './templates.mjs';
import { startScreen } from './xserver.mjs';

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
  "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const WEB = join(import.meta.dirname, '..');
const TEMPLATES = join(WEB, '../src/templates/pages');
const TYPES = { js: 'text/javascript', css: 'text/css', txt: 'text/plain; charset=utf-8' };
const ALICE = { name: 'alice', full_name: 'Alice Liddell' };
/** How long the stages of a start last here. */
const STAGE_MS = 900;
/** How often the live news say that they are still there. */
const ALIVE_MS = 15_000;

export async function startMock(port) {
  const screen = await startScreen();
  const listeners = new Set();
  const sockets = new Set();
  const stages = new Map();
  const stageOf = (scene) => {
    if (!stages.has(scene)) stages.set(scene, new AdminStage(scene));
    return stages.get(scene);
  };
  /** What was done to desktops since the scene began, by scene and id. */
  const changed = new Map();

  const desktops = (scene) => {
    const list = listFor(scene);
    return {
      ...list,
      desktops: list.desktops.map((one) => ({ ...one, ...changed.get(`${scene} ${one.id}`) })),
    };
  };
  const tell = (scene) => {
    for (const listener of listeners) if (listener.scene === scene) listener.send(desktops(scene));
  };
  const change = (scene, id, news) => {
    changed.set(`${scene} ${id}`, { since: Math.floor(Date.now() / 1000), stage: null, message: null, log: null, ...news });
    tell(scene);
    return desktops(scene).desktops.find((one) => one.id === id) ?? { id, ...news };
  };

  function start(scene, id) {
    const fails = scene === 'failing';
    setTimeout(() => change(scene, id, { state: 'starting', stage: 'session' }), STAGE_MS);
    const end = fails
      ? { state: 'failed', message: 'The session ended after 0.2 s: “startnothing” is not installed.', log: 'sh: 1: exec: startnothing: not found\n' }
      : { state: 'ready' };
    setTimeout(() => change(scene, id, end), 2 * STAGE_MS);
    return change(scene, id, { state: 'starting', stage: 'screen' });
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://mock');
    const scene = url.searchParams.get('scene') ?? sceneOf(request);
    const json = (status, value) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    const html = (name, values = {}, status = 200) => {
      // A scene that is asked for begins anew.
      if (url.searchParams.has('scene')) for (const key of changed.keys()) if (key.startsWith(`${scene} `)) changed.delete(key);
      response.writeHead(status, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': CSP,
        'Set-Cookie': `scene=${scene}; Path=/`,
      });
      response.end(page(name, values, scene));
    };
    const act = /^\/api\/v1\/desktops\/([^/]+)\/([^/]+)\/(start|stop|restart|keep)$/.exec(url.pathname);
    if (url.pathname.startsWith('/api/v1/admin/')) return stageOf(scene).answer(url.pathname.slice('/api/v1/admin'.length), request, response);
    if (act) {
      const id = act[2] === 'main' ? act[1] : `${act[1]}/${act[2]}`;
      if (scene === 'busy') return json(503, { error: { code: 'busy', message: 'The server has no room for another desktop now. Try again in a minute.' } });
      if (act[3] === 'keep') return json(200, change(scene, id, { state: 'ready', notices: [], active: Math.floor(Date.now() / 1000) }));
      if (act[3] !== 'stop') return json(202, start(scene, id));
      for (const socket of sockets) socket.close(4001, 'The desktop was stopped.');
      return json(200, change(scene, id, { state: 'gone', message: 'You stopped it.' }));
    }
    switch (url.pathname) {
      case '/':
        return html('portal');
      case '/admin':
        if (url.searchParams.has('scene')) {
          stages.get(scene)?.end();
          stages.delete(scene);
        }
        return html('admin');
      case '/sign-in':
        return html('sign-in', { next: '/', ...signInMessage(scene) });
      case '/set-up':
        return html('set-up');
      case '/error':
        return html('error', {
          status: 404,
          heading: 'There is nothing here',
          message: 'The address may be mistyped, or the desktop is not yours.',
          way_on_url: '/',
          way_on_text: 'Your desktops',
        });
      case '/unbuilt':
        return html('unbuilt');
      case '/healthz':
        return response.end('ok');
      case '/api/v1/desktops':
        return json(200, desktops(scene));
      case '/api/v1/sign-out':
        return response.writeHead(204).end();
      case '/mock/close': {
        for (const socket of sockets) socket.close(Number(url.searchParams.get('code')), url.searchParams.get('reason') ?? '');
        return response.end();
      }
      case '/api/v1/events': {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        const listener = {
          scene,
          send: (list) => response.write(`event: desktops\ndata: ${JSON.stringify({ desktops: list.desktops })}\n\n`),
        };
        listeners.add(listener);
        const alive = setInterval(() => response.write('event: alive\ndata: {}\n\n'), ALIVE_MS);
        request.on('close', () => {
          clearInterval(alive);
          listeners.delete(listener);
        });
        return listener.send(desktops(scene));
      }
    }
    if (url.pathname.startsWith('/assets/')) return asset(url.pathname, response);
    const viewer = /^\/(?:d|novnc)\/([^/]+)\/(?:([^/]+)\/)?(?:vnc\.html)?$/.exec(url.pathname);
    if (viewer) return html('viewer', { desktop: viewer[2] ? `${viewer[1]}/${viewer[2]}` : viewer[1] });
    html('error', { status: 404, heading: 'There is nothing here', message: '', way_on_url: '/', way_on_text: 'Your desktops' }, 404);
  });

  const bridge = new WebSocketServer({ noServer: true, handleProtocols: () => 'binary' });
  server.on('upgrade', (request, socket, head) => {
    if (sceneOf(request) === 'refusing') return socket.destroy();
    bridge.handleUpgrade(request, socket, head, (browser) => {
      sockets.add(browser);
      const vnc = connect(screen.path);
      vnc.on('data', (data) => browser.send(data));
      vnc.on('close', () => browser.close(1011, 'The desktop cannot be reached.'));
      vnc.on('error', () => undefined);
      browser.on('message', (data) => vnc.write(data));
      browser.on('close', () => {
        sockets.delete(browser);
        vnc.destroy();
      });
    });
  });

  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      for (const socket of sockets) socket.terminate();
      for (const stage of stages.values()) stage.end();
      server.closeAllConnections();
      server.close();
      screen.stop();
    },
  };
}

function sceneOf(request) {
  return /scene=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'one';
}

function page(name, values, scene) {
  const manifest = JSON.parse(readFileSync(join(WEB, 'dist/.vite/manifest.json'), 'utf8'));
  const entry = manifest[`src/${name}.ts`];
  const boot = { base: '', version: '0.1.0', brand: { name: 'Deskway', accent: null, notice: null, logo: null, links: [] }, account: { ...ALICE, is_admin: scene.startsWith('admin') }, desktop: values.desktop ?? null };
  const read = (file) => readFileSync(join(TEMPLATES, file), 'utf8');
  const given = {
    base: '',
    version: boot.version,
    brand: boot.brand,
    title: 'Deskway',
    boot: JSON.stringify(boot),
    css: entry ? stylesOf(manifest, entry).map((file) => `/${file}`) : [],
    js: entry ? [`/${entry.file}`] : [],
    ...values,
  };
  return render(read(`${name}.html`), given, read);
}

function stylesOf(manifest, entry, seen = new Set()) {
  if (seen.has(entry)) return [];
  seen.add(entry);
  const imported = (entry.imports ?? []).flatMap((name) => stylesOf(manifest, manifest[name], seen));
  return [...(entry.css ?? []), ...imported];
}

function asset(path, response) {
  try {
    const body = readFileSync(join(WEB, 'dist', path));
    response.writeHead(200, { 'Content-Type': TYPES[path.split('.').at(-1)] ?? 'application/octet-stream' });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '5173' } } });
  const mock = await startMock(Number(values.port));
  console.log(mock.url);
  process.on('SIGINT', () => {
    mock.stop();
    process.exit();
  });
}
