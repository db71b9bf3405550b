// A group of the machine has its own looks: by who signs in, and before that by the server's name.

import AxeBuilder from '@axe-core/playwright';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Deskway } from './support/deskway.mjs';
import { LOGO_PNG, logoSvg } from './support/logos.mjs';
import { makeGroup, makePerson, removeGroup, removePerson } from './support/people.mjs';
import { card, desktopIsOpen, expect, signIn, test } from './support/test.mjs';

let physics, staff, ada, emil, deskway;

test.beforeAll(async () => {
  [physics, staff] = [makeGroup('physics'), makeGroup('staff')];
  [ada, emil] = [makePerson('ada', 'Ada'), makePerson('emil', 'Emil')];
  putInto(ada, physics);
  putInto(emil, staff);
  deskway = await Deskway.start({ config: ({ folder }) => config(folder) });
});

test.afterAll(async () => {
  await deskway?.remove();
  for (const person of [ada, emil]) if (person) await removePerson(person);
  for (const group of [physics, staff]) if (group) removeGroup(group);
});

function putInto(person, group) {
  execFileSync('usermod', ['--append', '--groups', group, person.name]);
}

function config(folder) {
  writeFileSync(join(folder, 'physics.svg'), logoSvg('#7a3e9d'));
  writeFileSync(join(folder, 'staff.png'), LOGO_PNG);
  return `
    [brand]
    name = "University desktops"
    [[group]]
    name = "${physics}"
    hosts = ["physics.localhost"]
    title = "Physics desktops"
    logo = "${folder}/physics.svg"
    accent = "#7a3e9d"
    background = "#f6f2f9"
    notice = "Room 214."
    links = [{ text = "Help", url = "https://example.org/help" }]
    [[group]]
    name = "${staff}"
    title = "Staff desktops"
    logo = "${folder}/staff.png"
  `;
}

/** A browser of its own in which nobody has signed in. */
async function visitor(browser, host = '127.0.0.1') {
  const baseURL = deskway.url.replace('127.0.0.1', host);
  return (await browser.newContext({ baseURL })).newPage();
}

const logo = (page) => page.locator('img.logo');
const isDrawn = (image) => image.evaluate((element) => element.complete && element.naturalWidth > 0);
const token = (page, name) =>
  page.evaluate((name) => {
    const probe = document.createElement('i');
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }, name);

test('people of two groups see two brands, and everybody else the place’s own', async ({ browser }) => {
  const [hers, his] = [await visitor(browser), await visitor(browser)];
  await hers.goto('/sign-in');
  await expect(hers.getByRole('heading', { name: 'University desktops' })).toBeVisible();
  await expect(logo(hers)).toHaveCount(0);

  await signIn(hers, ada);
  await expect(hers.getByRole('link', { name: 'Physics desktops' })).toBeVisible();
  await expect.poll(() => isDrawn(logo(hers))).toBe(true);
  await expect(logo(hers)).toHaveAttribute('src', /^\/brand\/.*\.svg$/);
  expect(await token(hers, '--accent')).toBe('rgb(122, 62, 157)');
  await expect(hers.getByRole('link', { name: 'Help' })).toHaveAttribute('href', 'https://example.org/help');
  expect((await new AxeBuilder({ page: hers }).analyze()).violations).toEqual([]);

  await signIn(his, emil);
  await expect(his.getByRole('link', { name: 'Staff desktops' })).toBeVisible();
  await expect.poll(() => isDrawn(logo(his))).toBe(true);
  await expect(logo(his)).toHaveAttribute('src', /^\/brand\/.*\.png$/);
  await his.goto('/nothing/here');
  await expect(his.getByText('Staff desktops · 404')).toBeVisible();
});

test('before the sign-in the name of the server decides', async ({ browser }) => {
  const page = await visitor(browser, 'physics.localhost');
  await page.goto('/sign-in');
  await expect(page.getByRole('heading', { name: 'Physics desktops' })).toBeVisible();
  await expect.poll(() => isDrawn(logo(page))).toBe(true);
  await expect(page.getByText('Room 214.')).toBeVisible();
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
});

test('the viewer is of the group too', async ({ browser }) => {
  const page = await visitor(browser);
  await signIn(page, ada, `/d/${ada.name}/`);
  await desktopIsOpen(page);
  await expect(page).toHaveTitle(/Physics desktops/);
});

test('another configuration shows on the next page, and nobody is signed out', async ({ browser }) => {
  const page = await visitor(browser);
  await signIn(page, ada);
  await expect(page.getByRole('link', { name: 'Physics desktops' })).toBeVisible();
  const file = join(deskway.folder, 'deskway.toml');
  const text = config(deskway.folder).replaceAll('Physics desktops', 'Physics, renamed');
  writeFileSync(file, text.replaceAll('physics.svg', 'staff.png'));
  process.kill(deskway.process.pid, 'SIGHUP');
  await expect
    .poll(async () => {
      await page.reload();
      return page.locator('header a').first().textContent();
    })
    .toBe('Physics, renamed');
  await expect(logo(page)).toHaveAttribute('src', /\.png$/);
  await expect.poll(() => isDrawn(logo(page))).toBe(true);

  // The groups alone change places: whoever is in none of them any more sees the place's own.
  writeFileSync(file, config(deskway.folder).replaceAll(physics, 'no-such-group'));
  process.kill(deskway.process.pid, 'SIGHUP');
  await expect
    .poll(async () => {
      await page.reload();
      return page.locator('header a').first().textContent();
    })
    .toBe('University desktops');
  await expect(card(page, ada.name)).toBeVisible();
});
