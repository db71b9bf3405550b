// Each page as people see it: narrow, usual and wide, light and dark; names and contrast by axe;
// the keyboard alone. `PICTURES=1` also writes the pictures of docs/pictures.

import AxeBuilder from '@axe-core/playwright';
import { mkdirSync } from 'node:fs';

import { card, desktopIsOpen, expect, openDesktop, openLink, openToolbar, signIn, test } from './support/test.mjs';

const PICTURES = new URL('../../docs/pictures/', import.meta.url).pathname;
const WIDTHS = [360, 1280, 2560];

test('the sign-in page', async ({ page }) => {
  await page.goto('/sign-in');
  await looksRight(page, 'sign-in');
});

test('a wrong password', async ({ page, alice }) => {
  await signIn(page, { ...alice, password: 'not the password' });
  await expect(page.getByRole('alert')).toBeVisible();
  await looksRight(page, 'sign-in-wrong');
});

test('the portal', async ({ page, alice }) => {
  await signIn(page, alice);
  await expect(card(page, alice.name)).toBeVisible();
  await looksRight(page, 'portal');
});

test('a page that is not there', async ({ page, alice }) => {
  await signIn(page, alice);
  await expect(card(page, alice.name)).toBeVisible();
  const answer = await page.goto('/nothing/here');
  expect(answer.status()).toBe(404);
  await looksRight(page, 'not-found');
});

test('from the sign-in page to the desktop by keyboard alone', async ({ page, alice }) => {
  await page.goto('/sign-in');
  await expect(page.locator('input[name=name]')).toBeFocused();
  await page.keyboard.type(alice.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(alice.password);
  await page.keyboard.press('Enter');
  const action = openLink(page, alice.name);
  await expect(action).toBeVisible();
  await tabTo(page, action);
  await page.keyboard.press('Enter');
  await desktopIsOpen(page);
});

test('the desktop, with its toolbar', async ({ page, alice }) => {
  await signIn(page, alice);
  await openDesktop(page, alice);
  await axe(page);
  if (process.env.PICTURES) {
    await page.screenshot({ path: `${PICTURES}desktop.png` });
  }
  await openToolbar(page);
  await axe(page);
  if (process.env.PICTURES) {
    await page.screenshot({ path: `${PICTURES}toolbar.png` });
  }
});

test('the portal shows the picture of a desktop that runs', async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  await page.goto('/');
  await expect(card(page, alice.name).locator('img, canvas').first()).toBeVisible();
  if (process.env.PICTURES) {
    const shot = (data) => `data:image/png;base64,${data.toString('base64')}`;
    const portal = shot(await page.screenshot());
    await page.goto(`/d/${alice.name}/`);
    await desktopIsOpen(page);
    const desktop = shot(await page.screenshot());
    const both = await page.context().newPage();
    await both.setViewportSize({ width: 1280, height: 720 });
    await both.setContent(readmePicture(portal, desktop));
    await both.screenshot({ path: `${PICTURES}readme.png` });
  }
});

/** The portal in front, the desktop behind it. */
function readmePicture(portal, desktop) {
  const frame = 'position:absolute;border-radius:12px;box-shadow:0 16px 48px #0007';
  return `<body style="margin:0;background:linear-gradient(135deg,#dfe6f7,#b9c8ee)">
    <img style="${frame};left:336px;top:40px;width:896px" src="${desktop}">
    <img style="${frame};left:48px;top:220px;width:704px" src="${portal}"></body>`;
}

/** No horizontal scrolling, no fault that axe finds, at each width, light and dark. */
async function looksRight(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow, `${name} at ${width} px scrolls sideways`).toBeLessThanOrEqual(0);
      if (process.env.PICTURES) {
        mkdirSync(PICTURES, { recursive: true });
        await page.screenshot({ path: `${PICTURES}${name}-${width}-${colorScheme}.png` });
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await axe(page);
  }
}

async function axe(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.target)}`)).toEqual([]);
}

/** Presses Tab until the element has the focus; a page of this size needs few. */
async function tabTo(page, target) {
  for (let presses = 0; presses < 30; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('30 presses of Tab did not reach it');
}
