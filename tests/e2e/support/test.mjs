// Playwright's `test` with a Deskway and two people, and the steps that every test takes.

import { test as base, expect } from '@playwright/test';

import { Deskway } from './deskway.mjs';
import { makePerson, removePerson } from './people.mjs';

export { expect };

export const test = base.extend({
  /** What `deskway.toml` of this file's Deskway says; set with `test.use`. */
  config: ['', { option: true, scope: 'worker' }],

  /** Whether this file's Deskway runs a copy of the program; set with `test.use`. */
  copied: [false, { option: true, scope: 'worker' }],

  deskway: [
    async ({ config, copied }, use) => {
      const deskway = await Deskway.start({ config, copied });
      await use(deskway);
      await deskway.remove();
    },
    { scope: 'worker' },
  ],

  alice: [async ({}, use) => withPerson('a', 'Alice Smith', use), { scope: 'worker' }],
  bob: [async ({}, use) => withPerson('b', 'Bob Jones', use), { scope: 'worker' }],

  baseURL: async ({ deskway }, use) => use(deskway.url),
});

async function withPerson(label, fullName, use) {
  const person = makePerson(label, fullName);
  await use(person);
  await removePerson(person);
}

/** Signs in by the form, as a person does. */
export async function signIn(page, person, next = '/') {
  await page.goto(next);
  await page.locator('input[name=name]').fill(person.name);
  await page.locator('input[name=password]').fill(person.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** The viewer's picture when it is there: connected, and the first frame drawn. */
export async function desktopIsOpen(page) {
  await expect(viewer(page)).toHaveAttribute('data-state', 'connected', { timeout: 45_000 });
  await expect(screen(page)).toBeVisible();
}

export const viewer = (page) => page.getByTestId('viewer');
export const screen = (page) => page.locator('[data-testid=screen] canvas').first();
export const card = (page, id) => page.locator(`[data-testid=desktop][data-id="${id}"]`);
export const openLink = (page, id) => card(page, id).getByRole('link', { name: /^(Open|Start) / });

/** From the portal into one's main desktop. */
export async function openDesktop(page, person) {
  await openLink(page, person.name).click();
  await desktopIsOpen(page);
}

export async function openToolbar(page) {
  await page.getByRole('button', { name: 'Toolbar', exact: true }).click();
  await expect(page.getByTestId('toolbar')).toBeVisible();
}
