// A desktop outlives the gateway and the launcher, and the open page finds its way back.

import { execFileSync } from 'node:child_process';

import { PROGRAM } from './support/deskway.mjs';
import { desktopIsOpen, expect, screen, signIn, test, viewer } from './support/test.mjs';
import { insideDesktop, pidOf } from './support/people.mjs';

const X_SERVER = /^\S*Xtigervnc /;
const AGENT = /deskway agent|\/proc\/self\/exe agent/;

for (const roles of [['serve'], ['launcher'], ['launcher', 'serve']]) {
  test(`killing ${roles.join(' and ')} leaves the desktop and its page finds back`, async ({
    page,
    alice,
    deskway,
  }) => {
    await signIn(page, alice, `/d/${alice.name}/`);
    await desktopIsOpen(page);
    const before = facts(alice);
    const pids = roles.map((role) => deskway.pidOf(role));

    for (const pid of pids) process.kill(pid, 'SIGKILL');
    if (roles.includes('serve')) {
      await expect(viewer(page)).not.toHaveAttribute('data-state', 'connected');
    }
    for (const [at, role] of roles.entries()) {
      await expect.poll(() => [0, pids[at]].includes(pidNow(deskway, role))).toBe(false);
    }
    await desktopIsOpen(page);
    expect(facts(alice)).toEqual(before);
    await pictureIsLive(page);
  });
}

test('killing all of it and starting anew leaves both desktops', async ({
  page,
  browser,
  alice,
  bob,
  deskway,
}) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  const other = await (await browser.newContext({ baseURL: deskway.url })).newPage();
  await signIn(other, bob, `/d/${bob.name}/`);
  await desktopIsOpen(page);
  await desktopIsOpen(other);
  const before = [facts(alice), facts(bob)];
  const pids = ['launcher', 'serve'].map((role) => deskway.pidOf(role));

  await deskway.kill();
  for (const pid of pids) await expect.poll(() => alive(pid)).toBe(false);
  await expect(viewer(page)).not.toHaveAttribute('data-state', 'connected');
  await deskway.up(new URL(deskway.url).host);
  await desktopIsOpen(page);
  await desktopIsOpen(other);
  expect([facts(alice), facts(bob)]).toEqual(before);
  await pictureIsLive(page);
  await pictureIsLive(other);
});

test('an upgrade in place leaves the desktop, and its page is connected again at once', async ({
  page,
  alice,
  deskway,
}) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  const before = facts(alice);
  const pids = ['launcher', 'serve'].map((role) => deskway.pidOf(role));
  await noteInterruptions(page);

  const said = execFileSync(PROGRAM, ['upgrade', '--run-dir', deskway.runDir], { encoding: 'utf8' });
  expect(said).toContain(`(process ${deskway.process.pid})`);
  await expect.poll(() => interruptions(page)).toHaveLength(1);
  await desktopIsOpen(page);
  for (const [at, role] of ['launcher', 'serve'].entries()) {
    await expect.poll(() => [0, pids[at]].includes(pidNow(deskway, role))).toBe(false);
  }
  expect(facts(alice)).toEqual(before);
  await pictureIsLive(page);
  const [milliseconds] = await interruptions(page);
  test.info().annotations.push({ type: 'interruption', description: `${milliseconds} ms` });
  // What is promised is about a second; a busy machine may take its time.
  expect(milliseconds).toBeLessThan(5000);
});

/** From now on the page writes down how long each time was that the viewer was not connected. */
async function noteInterruptions(page) {
  await viewer(page).evaluate((element) => {
    let since = 0;
    window.interruptions = [];
    new MutationObserver(() => {
      const connected = element.dataset.state === 'connected';
      if (!connected && since === 0) since = performance.now();
      if (connected && since !== 0) {
        window.interruptions.push(Math.round(performance.now() - since));
        since = 0;
      }
    }).observe(element, { attributeFilter: ['data-state'] });
  });
}

const interruptions = (page) => page.evaluate(() => window.interruptions);

/** What must be the same before and after: processes and windows. */
function facts(person) {
  const tree = insideDesktop(person, 'xwininfo', ['-root', '-tree']);
  return {
    agent: pidOf(person, AGENT),
    screen: pidOf(person, X_SERVER),
    // By their numbers: the very same windows.
    windows: tree.split('\n').flatMap((line) => line.match(/0x\w+ "Desktop"/)?.[0] ?? []),
  };
}

/** The picture answers: the window's new size arrives in it. */
async function pictureIsLive(page) {
  const { width, height } = page.viewportSize();
  const size = { width: width - 64, height: height - 32 };
  await page.setViewportSize(size);
  await expect(screen(page)).toHaveAttribute('width', String(size.width));
  await page.setViewportSize({ width, height });
}

/** The process of a role, or 0 while there is none. */
function pidNow(deskway, role) {
  try {
    return deskway.pidOf(role);
  } catch {
    return 0;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
