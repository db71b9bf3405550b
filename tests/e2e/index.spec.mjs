// The public index: from the list of everybody's desktops past the sign-in to one's own.

import { execFileSync } from 'node:child_process';

import { Deskway } from './support/deskway.mjs';
import { makeGroup, removeGroup } from './support/people.mjs';
import { desktopIsOpen, expect, test } from './support/test.mjs';

let group, deskway;

test.beforeAll(async ({ alice, bob }) => {
  group = makeGroup('index');
  for (const { name } of [alice, bob]) execFileSync('usermod', ['--append', '--groups', group, name]);
  deskway = await Deskway.start({
    config: `
      [portal]
      public_index = true
      [access]
      groups = ["${group}"]
      [[attach]]
      desktop = "${bob.name}/office"
      target = "127.0.0.1:1000"
    `,
  });
});

test.afterAll(async () => {
  await deskway?.remove();
  if (group) removeGroup(group);
});

async function visitor(browser, options = {}) {
  return (await browser.newContext({ baseURL: deskway.url, ...options })).newPage();
}

const links = (page) => page.getByTestId('index-list').getByRole('link');

async function fillIn(page, person) {
  await page.locator('input[name=name]').fill(person.name);
  await page.locator('input[name=password]').fill(person.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

test('a guest chooses a desktop, signs in, and is there', async ({ browser, alice, bob }) => {
  const page = await visitor(browser);
  await page.goto('/');
  await expect(links(page)).toHaveCount(3);
  for (const name of [alice.name, bob.name, `${bob.name} office`]) {
    await expect(page.getByRole('link', { name, exact: true })).toBeVisible();
  }
  await links(page).filter({ hasText: alice.name }).click();
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await fillIn(page, alice);
  await desktopIsOpen(page);
  await expect(page).toHaveURL(new RegExp(`/d/${alice.name}/$`));
});

test('a desktop of its own name is in the list while it runs', async ({ browser, alice }) => {
  const hers = await visitor(browser);
  await hers.goto(`/d/${alice.name}/work/`);
  await fillIn(hers, alice);
  await desktopIsOpen(hers);
  const page = await visitor(browser);
  await expect
    .poll(async () => {
      await page.goto('/');
      return links(page).filter({ hasText: 'work' }).count();
    })
    .toBe(1);
});

test('somebody else’s link says so', async ({ browser, alice, bob }) => {
  const page = await visitor(browser);
  await page.goto('/');
  await links(page).filter({ hasText: alice.name }).first().click();
  await fillIn(page, bob);
  await expect(page.getByRole('heading', { name: 'Somebody else’s desktop' })).toBeVisible();
  await expect(page.getByText(`This is the desktop of ${alice.name}. You are signed in as ${bob.name}`)).toBeVisible();
  await page.getByRole('link', { name: 'To your desktops' }).click();
  await expect(page.getByRole('heading', { name: 'Your desktops' })).toBeVisible();
});

test('it works without JavaScript', async ({ browser, alice, bob }) => {
  const page = await visitor(browser, { javaScriptEnabled: false });
  await page.goto(`/?q=${bob.name}`);
  await expect(links(page)).toHaveCount(2);
  await page.getByRole('searchbox', { name: 'Search' }).fill('office');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(links(page)).toHaveCount(1);
  await page.goto('/');
  await links(page).filter({ hasText: alice.name }).first().click();
  await fillIn(page, alice);
  await expect(page.getByText('A desktop’s screen is drawn by JavaScript')).toHaveCount(0);
  await expect(page).toHaveURL(new RegExp(`/d/${alice.name}/$`));
});
