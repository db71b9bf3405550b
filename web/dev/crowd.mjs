// What the mock shows on the admin's page: a crowd of desktops that are at work. The scene
// `admin-500` has 500 of them, each of which changes every second.

const FIRST = ['Ada', 'Alan', 'Barbara', 'Claude', 'Donald', 'Edsger', 'Frances', 'Grace', 'Hedy', 'Jürgen', 'Katherine', 'Margaret', 'Niklaus', 'Radia', 'Shafi'];
const LAST = ['Allen', 'Backus', 'Dijkstra', 'Floyd', 'Goldwasser', 'Hamilton', 'Hopper', 'Johnson', 'Knuth', 'Lamarr', 'Liskov', 'Lovelace', 'Müller', 'Perlman', 'Shannon', 'Turing', 'Wirth'];
const STATES = ['ready', 'ready', 'ready', 'frozen', 'ready', 'gone', 'ready', 'starting', 'ready', 'frozen', 'failed', 'ready', 'stopping'];
const GB = 2 ** 30;
const TICK_MS = 1_000;
const now = () => Math.floor(Date.now() / 1000);

export class AdminStage {
  constructor(scene) {
    const count = Number(/\d+/.exec(scene)?.[0] ?? 0);
    this.refuses = scene === 'admin-refused';
    this.listeners = new Set();
    this.desktops = Array.from({ length: count }, (_, n) => (scene.endsWith('long') ? long(n) : desktop(n)));
    this.people = peopleOf(this.desktops);
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  end() {
    clearInterval(this.timer);
    for (const { response } of this.listeners) response.end();
  }

  answer(path, request, response) {
    const json = (status, value) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    if (this.refuses) return json(404, { error: { code: 'not_found', message: 'There is nothing here.' } });
    if (path === '/desktops') return json(200, { desktops: this.desktops, at: now() });
    if (path === '/people') return json(200, { people: this.people });
    if (path === '/events') return this.follow(request, response);
    const end = /^\/people\/([^/]+)\/end$/.exec(path);
    if (end) {
      this.people = this.people.filter(({ account }) => account !== end[1]);
      for (const { send } of this.listeners) send('people', { people: this.people });
      return response.writeHead(204).end();
    }
    const act = /^\/desktops\/([^/]+)\/([^/]+)\/(\w+)$/.exec(path);
    const id = act && (act[2] === 'main' ? act[1] : `${act[1]}/${act[2]}`);
    const one = this.desktops.find((desktop) => desktop.id === id);
    if (!one) return json(404, { error: { code: 'not_found', message: 'There is no such desktop.' } });
    if (act[3] === 'message') return response.writeHead(204).end();
    if (act[3] === 'stop' && one.owner === 'ada') return json(500, { error: { code: 'failed', message: 'The desktop does not end.' } });
    one.state = { start: 'starting', stop: 'gone', freeze: 'frozen', thaw: 'ready' }[act[3]];
    if (act[3] === 'stop') one.watching = [];
    json(200, one);
  }

  follow(request, response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const send = (event, value) => response.write(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
    const listener = { response, send };
    this.listeners.add(listener);
    request.on('close', () => this.listeners.delete(listener));
    send('desktops', { desktops: this.desktops, at: now() });
    send('people', { people: this.people });
  }

  tick() {
    const changed = this.desktops.filter(({ state }) => state === 'ready');
    for (const one of changed) {
      one.cpu = Math.max(0, Math.round(one.cpu + (Math.random() - 0.5) * 100));
      one.memory = Math.min(one.memory_max ?? 8 * GB, Math.max(GB / 8, one.memory + (Math.random() - 0.5) * GB * 0.05));
      one.sent += one.watching.length * Math.round(Math.random() * 400_000);
      one.received += one.watching.length * Math.round(Math.random() * 2_000);
      if (one.watching.length > 0) one.active = now();
    }
    for (const { send } of this.listeners) send('changes', { at: now(), desktops: changed, gone: [] });
  }
}

function desktop(n) {
  const first = FIRST[n % FIRST.length];
  const last = LAST[Math.floor(n * 7.3) % LAST.length];
  const plain = (text) => text.normalize('NFD').replace(/\P{ASCII}/gu, '').toLowerCase();
  const owner = n === 0 ? 'ada' : `${plain(first)[0]}${plain(last)}${Math.floor(n / 5)}`;
  const state = STATES[n % STATES.length];
  const runs = state === 'ready' || state === 'frozen';
  const viewers = state === 'ready' ? [1, 0, 2, 1, 0, 0, 1][n % 7] : 0;
  const name = n % 6 === 5 ? 'work' : 'main';
  return {
    id: name === 'main' ? owner : `${owner}/${name}`,
    owner,
    fullName: n === 0 ? 'Ada Lovelace' : `${first} ${last}`,
    name,
    profile: n % 4 === 3 ? 'gnome-flashback' : 'xfce',
    kind: 'session',
    url: '#',
    state,
    stage: state === 'starting' ? 'session' : null,
    since: now() - (n * 977) % 300_000,
    message: state === 'failed' ? 'The screen ended by signal 11.' : null,
    viewers,
    active: runs ? now() - (viewers > 0 ? 5 : (n * 613) % 90_000) : null,
    notices: [],
    memory: runs ? ((n * 37) % 100) / 100 * 4 * GB + GB / 8 : null,
    memory_max: runs ? (n % 5 === 4 ? null : 4.125 * GB) : null,
    cpu: runs ? (state === 'frozen' ? 0 : (n * 53) % (n % 9 === 0 ? 1800 : 200)) : null,
    processes: runs ? 60 + (n % 90) : null,
    received: n * 1000,
    sent: n * 100_000,
    watching: Array.from({ length: viewers }, (_, m) => ({
      account: owner,
      address: m === 0 ? `10.20.${n % 250}.${(n * 7) % 250}` : `2001:db8::${(n * 13).toString(16)}:${m}`,
      since: now() - 60 * (n % 90),
      view_only: m > 0,
    })),
  };
}

function long(n) {
  const one = desktop(n + 2);
  const owner = 'a-name-that-an-organisation-gives-by-rules-of-its-own-and-sixty';
  const name = 'a-desktop-whose-name-goes-on-and-on-until-sixty-letters-are-full';
  return { ...one, id: `${owner}${n}/${name}`, owner: `${owner}${n}`, name, fullName: 'Maximiliane Friederike von und zu Oberhausen-Unterberg' };
}

function peopleOf(desktops) {
  const byAccount = new Map();
  desktops.forEach(({ owner, fullName }, n) => {
    if (n % 8 === 7 || byAccount.has(owner)) return;
    const sign_ins = Array.from({ length: 1 + (n % 11 === 0) }, (_, m) => ({
      address: `10.20.${n % 250}.${(n * 7 + m) % 250}`,
      since: now() - 300 * n,
      until: now() + 40_000,
    }));
    byAccount.set(owner, { account: owner, full_name: fullName, is_admin: n % 60 === 0, sign_ins });
  });
  if (desktops.length > 0) byAccount.set('alice', { account: 'alice', full_name: 'Alice Liddell', is_admin: true, sign_ins: [{ address: '10.20.0.1', since: now() - 900, until: now() + 40_000 }] });
  return [...byAccount.values()];
}
