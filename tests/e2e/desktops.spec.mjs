// The main job: two people sign in and work at their own desktops, at the same time.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import {
  desktopIsOpen,
  expect,
  openDesktop,
  openLink,
  openToolbar,
  screen,
  signIn,
  test,
} from './support/test.mjs';
import { PROGRAM } from './support/deskway.mjs';
import { insideDesktop, processesOf } from './support/people.mjs';

test('two people open their own desktops and write into their own homes', async ({
  browser,
  deskway,
  alice,
  bob,
}) => {
  const pages = [];
  for (const person of [alice, bob]) {
    const page = await (await browser.newContext({ baseURL: deskway.url })).newPage();
    await signIn(page, person);
    await openDesktop(page, person);
    pages.push(page);
  }
  for (const [page, person] of [[pages[0], alice], [pages[1], bob]]) {
    await typeInTerminal(page, person, 'id -un > it-is-me; echo done > finished');
    await expect.poll(() => existsSync(join(person.home, 'finished'))).toBe(true);
    const file = join(person.home, 'it-is-me');
    expect(readFileSync(file, 'utf8').trim()).toBe(person.name);
    expect(statSync(file).uid).toBe(person.uid);
  }
});

test('the stages are shown as they happen, then the picture', async ({ page, alice, deskway }) => {
  stopDesktops(deskway);
  await signIn(page, alice);
  await openLink(page, alice.name).click();
  const stage = (name) => page.locator(`[data-testid=stages] [data-stage=${name}]`);
  await expect(stage('session')).toHaveAttribute('data-state', 'active');
  await expect(stage('screen')).toHaveAttribute('data-state', 'done');
  await desktopIsOpen(page);
  await expect(page.getByTestId('stages')).toBeHidden();
});

test('the desktop follows the size of the window', async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  for (const size of [{ width: 1000, height: 640 }, { width: 1440, height: 900 }]) {
    await page.setViewportSize(size);
    await expect(screen(page)).toHaveAttribute('width', String(size.width));
    await expect(screen(page)).toHaveAttribute('height', String(size.height));
    await expect
      .poll(() => insideDesktop(alice, 'xwininfo', ['-root']))
      .toMatch(new RegExp(`-geometry ${size.width}x${size.height}`));
  }
});

test('text goes over the clipboard both ways', async ({ page, context, alice, deskway }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: deskway.url });
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  const text = `from the browser: grüße ${Date.now()}`;
  await openToolbar(page);
  await page.getByRole('button', { name: 'Clipboard', exact: true }).click();
  const field = page.getByRole('textbox', { name: 'Text on the clipboard of the desktop' });
  await field.fill(text);
  await expect.poll(() => selection(alice)).toBe(text);
  const answer = `from the desktop: ${Date.now()} ä`;
  insideDesktop(alice, 'sh', ['-c', `printf '%s' '${answer}' | xclip -i -selection clipboard >/dev/null 2>&1`]);
  await expect(field).toHaveValue(answer);
});

test('links of the chain that Deskway replaces open the same desktop', async ({ page, alice }) => {
  const path = `novnc/${alice.name}/websockify`;
  await signIn(page, alice, `/novnc/${alice.name}/vnc.html?resize=remote&path=${path}`);
  await desktopIsOpen(page);
  expect(new URL(page.url()).pathname).toBe(`/novnc/${alice.name}/vnc.html`);
});

test('a viewer that only watches changes nothing', async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/?view_only=1`);
  await desktopIsOpen(page);
  const before = processesOf(alice).filter((it) => /xfce4-terminal/.test(it.args)).length;
  await screen(page).click();
  await page.keyboard.press('Alt+F2');
  // The next viewer, which may control, shows that the desktop had the time to answer.
  const second = await page.context().newPage();
  await second.goto(`/d/${alice.name}/`);
  await desktopIsOpen(second);
  expect(processesOf(alice).some((it) => /xfce4-appfinder/.test(it.args))).toBe(false);
  expect(processesOf(alice).filter((it) => /xfce4-terminal/.test(it.args)).length).toBe(before);
});

/** Opens a terminal from the keyboard alone and types a line into it. */
async function typeInTerminal(page, person, line) {
  await screen(page).click();
  await page.keyboard.press('Control+Alt+t');
  await expect.poll(() => activeWindow(person)).toContain('xfce4-terminal');
  await page.keyboard.type(line, { delay: 10 });
  await page.keyboard.press('Enter');
}

/** The class of the window that has the keyboard. */
function activeWindow(person) {
  const active = insideDesktop(person, 'xprop', ['-root', '_NET_ACTIVE_WINDOW']);
  const id = active.match(/0x[0-9a-f]+/)?.[0] ?? '0x0';
  return id === '0x0' ? '' : insideDesktop(person, 'xprop', ['-id', id, 'WM_CLASS']);
}

/** The text of the desktop's clipboard; empty while there is none. */
function selection(person) {
  const ask = ['-o', '-selection', 'clipboard', '-target', 'UTF8_STRING'];
  try {
    return insideDesktop(person, 'xclip', ask);
  } catch {
    return '';
  }
}

/** Ends all desktops by the command line, as root may. */
function stopDesktops(deskway) {
  execFileSync(PROGRAM, ['desktop', 'stop', '--all', '--run-dir', deskway.runDir]);
}
