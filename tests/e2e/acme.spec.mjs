// A certificate ordered from a real authority, in both ways of proving a name, renewed, and what is
// said when a name does not lead here.

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Authority } from './support/acme.mjs';
import { Deskway, PROGRAM } from './support/deskway.mjs';
import { expect, test } from './support/test.mjs';

/** Certificate and key for both names, valid from 1980 to 2049. */
const RENEWABLE = new URL('../fixtures/renewable.pem', import.meta.url);
const NAMES = ['desk.test', 'lab.test'];
const ON_443 = '[[listen]]\naddress = "0.0.0.0:443"\n\n';
const ON_80 = '[[listen]]\naddress = "0.0.0.0:80"\nprotocol = "redirect"\n\n';
/** Where no authority looks: what is ordered beside it can only be proved over http. */
const ON_8443 = '[[listen]]\naddress = "0.0.0.0:8443"\nprotocol = "https"\n\n';
/** An order, and what the launcher does before and after it. */
const ORDERED = { timeout: 30_000 };

let authority;

test.beforeEach(async () => {
  authority = await Authority.start(NAMES);
});

test.afterEach(() => authority.remove());

test('renewed ahead of time, with the account that is kept', async () => {
  const deskway = await start(ON_443 + ON_80, NAMES);
  try {
    await expect.poll(() => names('desk.test'), ORDERED).toContain('lab.test');
    await deskway.stop();
    // Two thirds of this one's lifetime are over, and there was no order lately.
    const file = (name) => join(deskway.folder, 'state/acme', name);
    for (const name of ['certificate.pem', 'key.pem']) writeFileSync(file(name), readFileSync(RENEWABLE));
    const state = JSON.parse(readFileSync(file('state.json'), 'utf8'));
    writeFileSync(file('state.json'), JSON.stringify({ ...state, tried_at: 0 }));
    const account = readFileSync(file('account.json'), 'utf8');

    await deskway.up(null);
    await expect.poll(() => names('lab.test'), ORDERED).toContain('desk.test');
    expect(orders(deskway)).toBe(1);
    expect(readFileSync(file('account.json'), 'utf8')).toBe(account);
    // It is in use from the start until the new one is there.
    expect(deskway.log).not.toContain('using our own');
  } finally {
    await deskway.remove();
  }
});

test('over http: ordered, kept privately, and there after both processes died', async () => {
  const deskway = await start(ON_8443 + ON_80, NAMES);
  try {
    await expect.poll(() => authority.certificate('lab.test', 8443), ORDERED).toContain('BEGIN');
    const first = authority.certificate('desk.test', 8443);
    expect(new X509Certificate(first).subjectAltName).toBe('DNS:desk.test, DNS:lab.test');

    // Nothing but the order says that this machine is called so.
    expect(authority.status('lab.test', '/sign-in', 8443)).toBe(200);

    const folder = join(deskway.folder, 'state/acme');
    const modes = Object.fromEntries(readdirSync(folder).map((name) => [name, mode(join(folder, name))]));
    expect(modes).toEqual({
      'account.json': '600',
      'certificate.pem': '600',
      'key.pem': '600',
      'state.json': '600',
    });
    expect(mode(folder)).toBe('700');
    const owner = execFileSync('stat', ['-c', '%U', folder], { encoding: 'utf8' }).trim();
    expect(owner).toBe('deskway');
    expect(deskway.log).not.toContain('PRIVATE KEY');

    for (const role of ['serve', 'launcher']) {
      process.kill(deskway.pidOf(role), 'SIGKILL');
      await expect.poll(() => deskway.log).toContain(`role="${role}"`);
      await expect.poll(() => authority.certificate('desk.test', 8443)).toBe(first);
    }
    expect(orders(deskway)).toBe(1);

    // Other names are ordered at once.
    configure(deskway, ON_8443 + ON_80, ['desk.test']);
    await expect.poll(() => names('desk.test', 8443), ORDERED).toBe('DNS:desk.test');
  } finally {
    await deskway.remove();
  }
});

test('over TLS, where nothing listens on port 80', async () => {
  const deskway = await start(ON_443, NAMES);
  try {
    await expect.poll(() => authority.certificate('lab.test'), ORDERED).toContain('BEGIN');
    expect(orders(deskway)).toBe(1);
  } finally {
    await deskway.remove();
  }
});

test('a name that does not lead here is told with the reason, also by doctor', async () => {
  const deskway = await start(ON_443 + ON_80, ['nowhere.test']);
  try {
    const reason = 'could not reach http://nowhere.test/.well-known/acme-challenge/';
    await expect.poll(() => deskway.log, { timeout: 90_000 }).toContain(reason);
    expect(deskway.log).toMatch(/next try in 1[5-7] minutes/);
    const args = ['doctor', '--config', join(deskway.folder, 'deskway.toml')];
    args.push('--run-dir', deskway.runDir, '--state-dir', join(deskway.folder, 'state'));
    const told = await output(authority.spawn(PROGRAM, args));
    expect(told).toContain(reason);
    // It is served all the same.
    expect(authority.certificate('desk.test')).toContain('none:');
    expect(orders(deskway)).toBe(1);
  } finally {
    await deskway.remove();
  }
});

function start(listeners, domains) {
  const spawn = (program, args) => authority.spawn(program, args);
  return Deskway.start({ listen: '', config: listeners + authority.config(domains), spawn });
}

function configure(deskway, listeners, domains) {
  writeFileSync(join(deskway.folder, 'deskway.toml'), listeners + authority.config(domains));
  process.kill(deskway.process.pid, 'SIGHUP');
}

/** How many orders were begun. */
const orders = (deskway) => deskway.log.split('ordering a certificate').length - 1;

function names(host, port) {
  const shown = authority.certificate(host, port);
  return shown.startsWith('none') ? shown : new X509Certificate(shown).subjectAltName;
}

const mode = (path) => (statSync(path).mode & 0o777).toString(8);

function output(child) {
  return new Promise((resolve) => {
    let text = '';
    child.stdout.on('data', (data) => (text += data));
    child.once('close', () => resolve(text));
  });
}
