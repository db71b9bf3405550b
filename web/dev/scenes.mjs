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
    active: state === 'ready' || state === 'frozen' ? MINUTES_AGO(0) : null,
    notices: [],
    ...more,
  };
}

const failed = (name) =>
  desktop(name, 'failed', {
    since: MINUTES_AGO(3),
    message: 'The session ended after 0.2 s: “startnothing” is not installed on this machine.',
    log: LOG,
  });

let number = 0;
const notice = (kind, message, more = {}) => ({ number: ++number, at: BEGAN, kind, message, next: null, when: null, from: null, ...more });
const inMinutes = (minutes) => Math.floor(Date.now() / 1000) + minutes * 60;

const SCENES = {
  asleep: () => [desktop('main', 'frozen'), desktop('work', 'ready', { active: MINUTES_AGO(4), viewers: 1 })],
  idle: () => [
    desktop('main', 'ready', {
      active: MINUTES_AGO(30),
      notices: [notice('idle', 'Nobody has used this desktop for 30 minutes.', { next: 'freeze', when: inMinutes(5) })],
    }),
  ],
  notices: () => [
    desktop('main', 'ready', {
      active: MINUTES_AGO(4),
      notices: [
        notice('disk', 'There are 300 MB left where your files are.'),
        notice('out_of_memory', 'Your desktop reached its 4 GB; the kernel ended `firefox`.'),
        notice('message', 'The machine is restarted at 18:00 for a new kernel. Please save your work before that; desktops that still run then are ended.', { from: 'Carol Admin' }),
      ],
    }),
    desktop('work', 'ready', {
      active: MINUTES_AGO(200),
      notices: [notice('idle', '', { next: 'stop', when: inMinutes(2) }), notice('hours', '', { when: inMinutes(45) })],
    }),
    desktop('lab', 'ready', { notices: [notice('started_again', 'The desktop crashed and was started again: the screen ended by signal 11.')] }),
  ],
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
