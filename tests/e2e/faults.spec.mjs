// When something breaks, the page says what happened and the way on, and nobody else notices. The
// numbers are those of docs/faults.md, whose other tests stand in tests/faults.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { Deskway } from './support/deskway.mjs';
import { makePerson, pidOf, processesOf, removePerson } from './support/people.mjs';
import { desktopIsOpen, expect, screen, signIn, test as base, viewer } from './support/test.mjs';

const X_SERVER = /^\S*Xtigervnc /;
const SESSION = /^xterm/;
const AGENT = /deskway agent|\/proc\/self\/exe agent/;
const SILENT = 'Your desktop does not answer.';

const config = `
[desktops]
default_profile = "term"

[[profile]]
id = "term"
name = "Terminal"
command = ["xterm"]
`;

const test = base.extend({
  /** Bob's desktop, in a window that stays open beside all that happens. */
  other: [
    async ({ browser, deskway, bob }, use) => use(await opened(browser, deskway, bob)),
    { scope: 'worker' },
  ],
});

test.use({ config });

for (const [what, pattern, told] of [
  ['an X server', X_SERVER, /^The desktop crashed: .*signal 9/],
  ['a session', SESSION, /signal 9/],
  ['an agent', AGENT, /^The desktop crashed/],
]) {
  test(`F1: ${what} that is killed is told, and one click brings a new desktop`, async ({
    page,
    alice,
    other,
  }) => {
    await signIn(page, alice, `/d/${alice.name}/`);
    await desktopIsOpen(page);
    process.kill(pidOf(alice, pattern), 'SIGKILL');
    await expect(viewer(page)).toHaveAttribute('data-state', 'ended');
    await expect(page.getByRole('heading', { name: told })).toBeVisible();
    await isDrawnFor(other);
    await page.getByRole('button', { name: 'Start again' }).click();
    await desktopIsOpen(page);
    await isDrawnFor(page);
  });
}

test('F1: an X server that hangs is told, comes back by itself or is stopped', async ({
  page,
  alice,
  other,
}) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  const silent = page.getByRole('alert').filter({ hasText: SILENT });
  const pid = pidOf(alice, X_SERVER);

  process.kill(pid, 'SIGSTOP');
  await screen(page).click();
  await page.keyboard.type('still there?');
  await expect(silent).toBeVisible();
  await expect(page.getByText('what is not saved in it is lost')).toBeVisible();
  await isDrawnFor(other);
  process.kill(pid, 'SIGCONT');
  await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
  await isDrawnFor(page);

  // Who comes to one that hangs already is told, too.
  process.kill(pid, 'SIGSTOP');
  await page.reload();
  await expect(silent).toBeVisible();
  await page.getByRole('button', { name: 'Stop it' }).click();
  await expect(page.getByRole('heading', { name: 'The desktop was stopped.' })).toBeVisible();
  expect(processesOf(alice)).toEqual([]);
  await isDrawnFor(other);
  await page.getByRole('button', { name: 'Start again' }).click();
  await desktopIsOpen(page);
});

test('F19: who is removed from the machine is led to the sign-in page', async ({
  page,
  other,
  deskway,
}) => {
  const carol = makePerson('c');
  // Has carol's number as long as her processes do, so that no new account gets it.
  const heir = { ...carol, name: `${carol.name}h` };
  try {
    await signIn(page, carol, `/d/${carol.name}/`);
    await desktopIsOpen(page);
    execFileSync('useradd', ['--non-unique', '--uid', String(carol.uid), heir.name]);
    execFileSync('userdel', ['--force', carol.name], { stdio: 'ignore' });
    // Noticed within a minute, and at once with the configuration.
    process.kill(deskway.process.pid, 'SIGHUP');
    await expect(page).toHaveURL(/\/sign-in/);
    await isDrawnFor(other);
    deskway.stopDesktops(carol);
    expect(processesOf(carol)).toEqual([]);
  } finally {
    await removePerson(heir);
    rmSync(carol.home, { recursive: true, force: true });
  }
});

test('F5: a full disk stops new desktops alone, until there is room', async ({ browser }) => {
  const [dave, erin] = [makePerson('d'), makePerson('e')];
  let run = '';
  let deskway;
  try {
    deskway = await Deskway.start({
      config: ({ folder }) => {
        const at = join(folder, 'run');
        mkdirSync(at, { mode: 0o711 });
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=711', 'tmpfs', at]);
        run = at;
        return config;
      },
    });
    const page = await opened(browser, deskway, dave);
    const other = await (await browser.newContext({ baseURL: deskway.url })).newPage();
    await signIn(other, erin);
    fill(join(run, 'fill'));
    await other.goto(`/d/${erin.name}/`);
    await expect(viewer(other)).toHaveAttribute('data-state', 'failed');
    await expect(other.getByText(/no space left/i).first()).toBeVisible();
    await isDrawnFor(page);
    rmSync(join(run, 'fill'));
    await other.getByRole('button', { name: 'Try again' }).click();
    await desktopIsOpen(other);
    await isDrawnFor(page);
    await page.context().close();
    await other.context().close();
  } finally {
    if (deskway) {
      rmSync(join(run, 'fill'), { force: true });
      deskway.stopDesktops();
      await deskway.stop();
    }
    if (run) execFileSync('umount', ['--lazy', run]);
    await deskway?.remove();
    for (const person of [dave, erin]) await removePerson(person);
  }
});

/** A page of somebody else's with their desktop in it. */
async function opened(browser, deskway, person) {
  const page = await (await browser.newContext({ baseURL: deskway.url })).newPage();
  await signIn(page, person, `/d/${person.name}/`);
  await desktopIsOpen(page);
  return page;
}

/** The picture answers: the window's new size arrives in it. */
async function isDrawnFor(page) {
  const { width, height } = page.viewportSize();
  for (const side of [width - 64, width]) {
    await page.setViewportSize({ width: side, height });
    await expect(screen(page)).toHaveAttribute('width', String(side));
  }
}

/** Writes until there is no room for another byte. */
function fill(path) {
  const file = openSync(path, 'w');
  for (const size of [65536, 4096, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
    }
  }
  closeSync(file);
}
