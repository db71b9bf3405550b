// Each page as people see it: narrow, usual and wide, light and dark; names and contrast by axe;
// the keyboard alone. `PICTURES=1` also writes the pictures of docs/pictures.

import AxeBuilder from '@axe-core/playwright';
import { mkdirSync, writeFileSync } from 'node:fs';

import { Deskway } from './support/deskway.mjs';
import { logoSvg } from './support/logos.mjs';
import { makePerson, removePerson } from './support/people.mjs';
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

test('a sign-in page with a brand', async ({ browser }) => {
  await withDeskway(brand, browser, async (page) => {
    await page.goto('/sign-in');
    await expect(page.getByRole('link', { name: 'Help' })).toBeVisible();
    await looksRight(page, 'sign-in-brand');
  });
});

test('the public index', async ({ browser }) => {
  await withDeskway(index, browser, async (page) => {
    await page.goto('/');
    await expect(page.getByTestId('index-list').getByRole('link')).toHaveCount(PEOPLE.length);
    await looksRight(page, 'index');
    // By keyboard: what is typed narrows the list, and Enter opens what is left.
    const search = page.getByRole('searchbox', { name: 'Search' });
    await tabTo(page, search);
    await page.keyboard.type('Nobody');
    await expect(page.getByText('No desktop goes by that name.')).toBeVisible();
    await axe(page);
    await search.fill('lov');
    await expect(page.getByTestId('index-list').getByRole('link')).toHaveCount(1);
    await search.press('Enter');
    await expect(page).toHaveURL(/next=%2Fd%2Flovelace%2F/);
  });
});

test('the admins’ page', async ({ browser }) => {
  const carol = makePerson('carol', 'Carol Admin');
  const config = `${attached()}[admin]\nusers = ["${carol.name}"]\n`;
  await withDeskway(config, browser, async (page) => {
    await signIn(page, carol, '/admin');
    const rows = page.getByTestId('admin-desktop');
    await expect(rows).toHaveCount(PEOPLE.length);
    await looksRight(page, 'admin');
    // By keyboard: a key leads to the search, Tab into the table, arrows from row to row.
    const search = page.getByRole('searchbox', { name: 'Search' });
    await page.keyboard.press('/');
    await expect(search).toBeFocused();
    await page.keyboard.type('nobody at all');
    await expect(page.getByRole('heading', { name: 'Nothing matches “nobody at all”' })).toBeVisible();
    await axe(page);
    await search.fill('noether');
    await expect(rows.filter({ visible: true })).toHaveCount(2);
    await search.fill('');
    const boxes = page.getByRole('checkbox', { name: /^Select .* desktop/ });
    await tabTo(page, boxes.first());
    await page.keyboard.press('End');
    await expect(boxes.last()).toBeFocused();
    await page.keyboard.press('Home');
    await page.keyboard.press('Space');
    await expect(page.getByTestId('selection')).toContainText('1 selected');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    const details = page.getByRole('menuitem', { name: 'Details' });
    await expect(details).toBeFocused();
    await axe(page);
    await page.keyboard.press('Enter');
    await expect(page.getByRole('dialog')).toBeVisible();
    await axe(page);
    await page.keyboard.press('Escape');
    await expect(rows.first().getByRole('button', { name: /^Actions for/ })).toBeFocused();
    const head = page.getByRole('columnheader', { name: 'CPU' });
    await head.getByRole('button').press('Enter');
    await expect(head).toHaveAttribute('aria-sort', 'descending');
    await page.getByRole('link', { name: /^People/ }).press('Enter');
    await expect(page.getByTestId('admin-person')).toContainText('Carol Admin');
    await looksRight(page, 'admin-people');
  });
  await removePerson(carol);
});

test('what is done to a selection is done to those of it that are shown', async ({ browser }) => {
  const carol = makePerson('carol', 'Carol Admin');
  const config = `${attached()}[admin]\nusers = ["${carol.name}"]\n`;
  await withDeskway(config, browser, async (page) => {
    await signIn(page, carol, '/admin');
    const [search, bar] = [page.getByRole('searchbox', { name: 'Search' }), page.getByTestId('selection')];
    await page.getByRole('checkbox', { name: 'Select all that are shown' }).check();
    await expect(bar).toContainText(`${PEOPLE.length} selected`);
    await bar.getByRole('button', { name: 'Send a message' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByTestId('names').getByRole('listitem')).toHaveCount(9);
    await expect(dialog.getByTestId('names')).toContainText(`and ${PEOPLE.length - 8} more`);
    await page.keyboard.press('Escape');

    await search.fill('noether');
    await expect(bar).toContainText(`${PEOPLE.length} selected, ${PEOPLE.length - 2} not shown`);
    await bar.getByRole('button', { name: 'Stop' }).click();
    await expect(dialog).toContainText('Stop 2 desktops?');
    await expect(dialog.getByRole('listitem')).toHaveText(['noether’s main desktop', 'noether’s desktop “seminar”']);
    await axe(page);
    const asked = [];
    page.on('request', (request) => request.method() === 'POST' && asked.push(new URL(request.url()).pathname));
    await dialog.getByRole('button', { name: 'Stop' }).click();
    // Nobody stops what is attached; the others were not asked for, and stay selected.
    await expect(page.getByText('It did not work for 2 of 2.')).toBeVisible();
    expect(asked.sort()).toEqual(['main', 'seminar'].map((name) => `/api/v1/admin/desktops/noether/${name}/stop`));
    await expect(bar).toContainText(`${PEOPLE.length - 2} selected, ${PEOPLE.length - 2} not shown`);
    await expect(bar.getByRole('button', { name: 'Stop' })).toBeDisabled();
    await search.fill('');
    await expect(bar).toContainText(`${PEOPLE.length - 2} selected`);
  });
  await removePerson(carol);
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

const PEOPLE = [
  ...['babbage', 'curie', 'darwin', 'euler', 'franklin', 'gauss', 'hopper', 'hopper/cobol', 'kepler'],
  ...['lovelace', 'meitner', 'newton', 'noether', 'noether/seminar', 'someone-with-a-rather-long-name'],
];

function brand({ folder }) {
  writeFileSync(`${folder}/logo.svg`, logoSvg('#e07a1f'));
  return `
    [brand]
    name = "University desktops"
    logo = "${folder}/logo.svg"
    accent = "#e07a1f"
    background = "#f7f3ee"
    background_dark = "#17120d"
    notice = "For members of the university. Accounts: room 214."
    links = [{ text = "Help", url = "https://example.org/help" }, { text = "Imprint", url = "/imprint" }]
  `;
}

/** Desktops that are attached, so that the list is the same on every machine. */
function attached() {
  return PEOPLE.map((desktop) => `[[attach]]\ndesktop = "${desktop}"\ntarget = "127.0.0.1:1000"\n`).join('');
}

function index() {
  const nobodyElse = '[access]\ngroups = ["no-such-group"]\n';
  return `[portal]\npublic_index = true\n${nobodyElse}${attached()}`;
}

/** A page of a Deskway with a configuration of its own. */
async function withDeskway(config, browser, use) {
  const deskway = await Deskway.start({ config });
  try {
    const context = await browser.newContext({ baseURL: deskway.url });
    await use(await context.newPage());
    await context.close();
  } finally {
    await deskway.remove();
  }
}

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
