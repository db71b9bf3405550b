// What the mock shows: lists of desktops, and what the sign-in page says.

const MINUTES_AGO = (minutes) => Math.floor(Date.now() / 1000) - minutes * 60;
const BEGAN = MINUTES_AGO(94);

const PROFILES = [
  { id: 'xfce', name: 'Xfce Session', default: true },
  { id: 'xfce-wayland', name: 'Xfce Session (Wayland)', default: false },
  { id: 'xterm', name: 'A terminal alone', default: false },
];

const LOG = `(II) Xvnc 1.12.0
Starting the session: /etc/X11/Xsession startnothing
/etc/X11/Xsession: 1: exec: startnothing: not found
The session ended with exit status 127 after 0.2 s.
`;

function desktop(name, state, more = {}) {
  const id = name === 'main' ? 'alice' : `alice/${name}`;
  const url = name === 'main' ? '/d/alice/' : `/d/alice/${name}/`;
  const off = state === 'absent';
  return {
    id,
    owner: 'alice',
    name,
    profile: 'xfce',
    kind: 'session',
    url,
    state,
    stage: null,
    since: off ? null : BEGAN,
    message: null,
    log: null,
    viewers: 0,
    ...more,
  };
}

const failed = (name) =>
  desktop(name, 'failed', {
    since: MINUTES_AGO(3),
    message: 'The session ended after 0.2 s: “startnothing” is not installed on this machine.',
    log: LOG,
  });

const SCENES = {
  empty: () => [],
  off: () => [desktop('main', 'absent')],
  one: () => [desktop('main', 'ready', { viewers: 1 })],
  failed: () => [failed('main')],
  failing: () => [desktop('main', 'absent')],
  few: () => [
    desktop('main', 'ready', { viewers: 2 }),
    desktop('work', 'starting', { stage: 'session' }),
    failed('tests'),
    desktop('lab', 'gone', { message: 'You logged out of the desktop.' }),
    desktop('windows-server', 'ready', { kind: 'attach', profile: null }),
    desktop('old', 'stopping'),
  ],
  long: () => [
    desktop('main', 'ready'),
    desktop('a-desktop-whose-name-has-sixty-characters-to-see-what-happens', 'ready', { viewers: 12 }),
    desktop('another-name-that-goes-on-and-on-until-sixty-letters-are-used', 'absent'),
  ],
  forty: () =>
    Array.from({ length: 40 }, (_, n) => {
      const name = n === 0 ? 'main' : `desktop-${n + 1}`;
      return n % 7 === 3 ? failed(name) : desktop(name, ['ready', 'absent', 'gone'][n % 3]);
    }),
};

export function listFor(scene) {
  return { desktops: (SCENES[scene] ?? SCENES.one)(), profiles: PROFILES };
}

export function signInMessage(scene) {
  switch (scene) {
    case 'wrong':
      return { kind: 'wrong', name: 'alice', message: 'The name or the password is wrong. Try again.' };
    case 'slow':
      return { kind: 'slow', name: 'alice', seconds: 42, message: 'Too many wrong passwords. Try again in 42 s.' };
    default:
      return { kind: '', name: '', message: '' };
  }
}
