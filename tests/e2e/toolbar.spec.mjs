// The viewer's toolbar and the parameters of its address: what each does to the desktop.

import { expect, desktopIsOpen, openToolbar, screen, signIn, test, viewer } from './support/test.mjs';
import { insideDesktop, processesOf } from './support/people.mjs';

const button = (page, name) => page.getByTestId('toolbar').getByRole('button', { name, exact: true });
/** XFCE asks whether to log out. */
const LOGOUT = /"xfce4-session" "Xfce4-session"\)\s+[2-9]\d\dx/;
const windows = (person) => insideDesktop(person, 'xwininfo', ['-root', '-tree']);
const runs = (person, pattern) => () => processesOf(person).some((it) => pattern.test(it.args));

test.beforeEach(async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
});

test('sizes: the desktop follows the window, or fits into it, or stays as it is', async ({ page }) => {
  await openToolbar(page);
  await button(page, 'Fit').click();
  const size = { width: 1100, height: 700 };
  const before = await screen(page).getAttribute('width');
  await page.setViewportSize(size);
  await expect.poll(async () => (await screen(page).boundingBox()).width).toBeLessThanOrEqual(size.width);
  expect(await screen(page).getAttribute('width')).toBe(before);
  await button(page, 'Original size').click();
  await expect.poll(async () => (await screen(page).boundingBox()).width).toBe(Number(before));
  await button(page, 'Follow the window').click();
  await expect(screen(page)).toHaveAttribute('width', String(size.width));
});

test('special keys reach the desktop', async ({ page, alice }) => {
  await openKeys(page);
  await button(page, 'Ctrl').click();
  await button(page, 'Alt').click();
  await screen(page).click({ position: { x: 640, y: 500 } });
  await page.keyboard.press('t');
  await expect.poll(runs(alice, /xfce4-terminal/)).toBe(true);

  await openKeys(page);
  await button(page, 'Ctrl').click();
  await button(page, 'Alt').click();
  await button(page, 'Ctrl+Alt+Del').click();
  await expect.poll(() => windows(alice)).toMatch(LOGOUT);
  await button(page, 'Esc').click();
  await expect.poll(() => windows(alice)).not.toMatch(LOGOUT);
});

test('view only is a new connection, which the server limits', async ({ page }) => {
  const opened = page.waitForEvent('websocket', (socket) => socket.url().includes('view_only=1'));
  await openToolbar(page);
  await button(page, 'View only').click();
  await opened;
  await desktopIsOpen(page);
});

test('full screen, and leaving', async ({ page }) => {
  await openToolbar(page);
  await button(page, 'Full screen').click();
  await expect.poll(() => page.evaluate(() => document.fullscreenElement !== null)).toBe(true);
  await page.evaluate(() => document.exitFullscreen());
  await openToolbarIfClosed(page);
  await page.getByRole('link', { name: 'Leave' }).click();
  await expect(page.getByTestId('desktops')).toBeVisible();
});

test("noVNC's parameters: autoconnect, resize, and a path that leads elsewhere", async ({ page, alice }) => {
  await page.goto(`/novnc/${alice.name}/vnc.html?autoconnect=0&resize=scale`);
  await expect(viewer(page)).toHaveAttribute('data-state', 'idle');
  await page.getByRole('button', { name: 'Connect' }).click();
  await desktopIsOpen(page);
  const width = await screen(page).getAttribute('width');
  await page.setViewportSize({ width: 900, height: 600 });
  await expect.poll(async () => (await screen(page).boundingBox()).width).toBeLessThanOrEqual(900);
  expect(await screen(page).getAttribute('width')).toBe(width);

  await page.goto(`/novnc/${alice.name}/vnc.html?path=../../evil.example/websockify`);
  await expect(page.getByTestId('closed')).toBeVisible();
});

test('a touch screen has a keyboard button', async ({ browser, deskway, alice }) => {
  const context = await browser.newContext({ baseURL: deskway.url, hasTouch: true, isMobile: true });
  const page = await context.newPage();
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  await openToolbar(page);
  await expect(button(page, 'Keyboard')).toBeVisible();
});

async function openKeys(page) {
  await openToolbarIfClosed(page);
  if (!(await button(page, 'Ctrl').isVisible())) await button(page, 'Keys').click();
}

async function openToolbarIfClosed(page) {
  if (!(await page.getByTestId('toolbar').isVisible())) await openToolbar(page);
}
