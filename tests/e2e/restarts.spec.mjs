// A desktop outlives the gateway and the launcher, and the open page finds its way back.

import { execFileSync } from 'node:child_process';

import { PROGRAM } from './support/deskway.mjs';
import { desktopIsOpen, expect, screen, signIn, test, viewer } from './support/test.mjs';
import { insideDesktop, pidOf } from './support/people.mjs';

const X_SERVER = /^\S*Xtigervnc /;
const RESTARTED = 'The server was restarted. You are connected again.';
const AGENT = /deskway agent|\/proc\/self\/exe agent/;

// A program that is upgraded has to be root's alone.
test.use({ copied: true });

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
  await expect(page.getByTestId('restart-note')).toHaveText(RESTARTED);
  await expect.poll(() => interruptions(page)).toHaveLength(1);
  await desktopIsOpen(page);
  for (const [at, role] of ['launcher', 'serve'].entries()) {
    await expect.poll(() => [0, pids[at]].includes(pidNow(deskway, role))).toBe(false);
  }
  expect(facts(alice)).toEqual(before);
  await pictureIsLive(page);
  const [milliseconds] = await interruptions(page);
  test.info().annotations.push({ type: 'interruption', description: `${milliseconds} ms` });
  // What is promised is about a second.
  expect(milliseconds).toBeLessThan(2000);
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

test('an open page comes back after a restart, and says so for a while', async ({ page, alice, deskway }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  const note = page.getByTestId('restart-note');
  await expect(note).toHaveAttribute('aria-live', 'polite');
  await expect(note).toHaveText('');
  await deskway.stop();
  await expect(page.getByRole('alert')).toHaveText('The server is restarting.');
  await deskway.up(new URL(deskway.url).host);
  await expect(note).toHaveText(RESTARTED);
  await desktopIsOpen(page);
  await expect(page.getByTestId('reload-offer')).toHaveCount(0);
  await expect(note).toHaveText('');
  await pictureIsLive(page);
});

test('a server of another version offers a new page and leaves the desktop alone', async ({ page, alice, deskway }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  await page.route('**/api/v1/desktops', async (route) => {
    const response = await route.fetch().catch(() => null);
    if (!response?.ok()) return route.abort(); // it is not back yet
    await route.fulfill({ response, json: { ...(await response.json()), version: '999.0.0' } });
  });
  // The events would say the true version.
  await page.route('**/api/v1/events*', (route) => route.abort());
  const offer = page.getByTestId('reload-offer');
  await deskway.stop();
  await deskway.up(new URL(deskway.url).host);
  await expect(offer).toBeVisible();
  await desktopIsOpen(page);
  await pictureIsLive(page);
  await offer.getByRole('button', { name: 'Later' }).click();
  await expect(offer).toHaveCount(0);
  await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
});

test('a page whose parts an upgrade took away is loaded anew, once', async ({ page, alice }) => {
  await signIn(page, alice);
  let loads = 0;
  let gone = () => loads === 1;
  page.on('framenavigated', () => (loads += 1));
  await page.route(/assets\/rfb-/, (route) => (gone() ? route.fulfill({ status: 404 }) : route.continue()));
  await expect(page).toHaveURL(/\/$/);
  loads = 0;
  await page.goto(`/d/${alice.name}/`);
  await desktopIsOpen(page);
  expect(loads).toBe(2);

  // When that does not help, the page says so instead of going round in circles.
  gone = () => true;
  await page.evaluate(() => sessionStorage.setItem('deskway.reloaded', String(Date.now())));
  loads = 0;
  await page.goto(`/d/${alice.name}/`);
  await expect(page.getByTestId('reload-offer')).toContainText('this page is too old for it');
  expect(loads).toBe(1);
});

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
