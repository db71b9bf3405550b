// An admin sees everybody's desktops and sign-ins, and what is done there reaches the people's pages.

import { Deskway } from './support/deskway.mjs';
import { isHeld, makePerson, removePerson } from './support/people.mjs';
import { card, desktopIsOpen, expect, screen, signIn, test, viewer } from './support/test.mjs';

let carol, dora, emil, deskway;

test.beforeAll(async () => {
  [carol, dora, emil] = [makePerson('carol', 'Carol Admin'), makePerson('dora', 'Dora Dean'), makePerson('emil', 'Emil Ende')];
  deskway = await Deskway.start({ config: `[admin]\nusers = ["${carol.name}"]\n` });
});

test.afterAll(async () => {
  await deskway?.remove();
  for (const person of [carol, dora, emil]) if (person) await removePerson(person);
});

/** A browser of its own, in which this person is signed in and sees that page. */
async function visitor(browser, person, next = '/') {
  const page = await (await browser.newContext({ baseURL: deskway.url })).newPage();
  await signIn(page, person, next);
  return page;
}

const row = (page, id) => page.locator(`[data-testid=admin-desktop][data-id="${id}"]`);
const state = (page, id) => row(page, id).getByTestId('state');

/** Dora's and Emil's desktops in the order in which they are listed. */
async function shownIds(page) {
  const all = await page.getByTestId('admin-desktop').evaluateAll((rows) => rows.map((one) => one.dataset.id));
  return all.filter((id) => [dora.name, emil.name].includes(id));
}

/** Opens the menu of a desktop's row and presses one of its lines. */
async function choose(page, id, what) {
  await row(page, id).getByRole('button', { name: /^Actions for/ }).click();
  await page.getByRole('menuitem', { name: what }).click();
}

test('who is no admin finds nothing there', async ({ browser }) => {
  const page = await visitor(browser, dora);
  await expect(card(page, dora.name)).toBeVisible();
  await expect(page.getByRole('link', { name: 'All desktops' })).toHaveCount(0);
  expect((await page.goto('/admin')).status()).toBe(404);
  for (const path of ['desktops', 'people', 'events']) {
    expect((await page.request.get(`${deskway.url}/api/v1/admin/${path}`)).status(), path).toBe(404);
  }
  await page.context().close();
});

test('an admin sees two people’s desktops, writes to one, stops the other, and signs somebody out', async ({ browser }) => {
  test.setTimeout(150_000);
  const dorasPage = await visitor(browser, dora, `/d/${dora.name}/`);
  await desktopIsOpen(dorasPage);
  const emilsPage = await visitor(browser, emil, `/d/${emil.name}/`);
  await desktopIsOpen(emilsPage);
  const emilsPortal = await emilsPage.context().newPage();
  await emilsPortal.goto(`${deskway.url}/`);
  await expect(card(emilsPortal, emil.name)).toBeVisible();

  // The portal leads there; each desktop is listed with its person, state and address.
  const page = await visitor(browser, carol);
  await page.getByRole('link', { name: 'All desktops' }).click();
  for (const [person, name] of [
    [dora, 'Dora Dean'],
    [emil, 'Emil Ende'],
  ]) {
    await expect(state(page, person.name)).toHaveText('Running');
    await expect(row(page, person.name)).toContainText(name);
    await expect(row(page, person.name)).toContainText('127.0.0.1');
  }
  await expect(page.getByTestId('summary')).toContainText('3 people signed in');

  // One field finds them by name, and puts the others out of sight.
  await page.getByRole('searchbox', { name: 'Search' }).fill('dora run');
  await expect(row(page, dora.name)).toBeVisible();
  await expect(row(page, emil.name)).toBeHidden();
  await page.getByRole('searchbox', { name: 'Search' }).fill('');

  // What her desktop takes is there, and moves.
  const cell = (name) => row(page, dora.name).locator(`.${name}`);
  await expect(cell('idle')).toHaveText(/in use|\d+ min/);
  const told = (controller, words) => (isHeld(dora, controller) ? words : /not known/);
  await expect(cell('cpu')).toHaveText(told('cpuacct', /< 1 %|[0-9]+ %/));
  await expect(cell('memory')).toHaveText(told('memory', /[1-9][0-9.]* (MB|GB)/));
  await expect(async () => {
    // A menu on the desktop's ground is drawn and taken away again.
    await dorasPage.mouse.click(300, 500, { button: 'right' });
    await dorasPage.keyboard.press('Escape');
    expect(await cell('traffic').textContent()).toMatch(/[1-9][0-9.]* (bytes|kB|MB)\/s/);
  }).toPass();

  // A column's head sorts by it, and again the other way round.
  const [head, ids] = [page.getByRole('columnheader', { name: 'Person' }), () => shownIds(page)];
  await expect(head).toHaveAttribute('aria-sort', 'ascending');
  await expect.poll(ids).toEqual([dora.name, emil.name]);
  await head.getByRole('button').click();
  await expect(head).toHaveAttribute('aria-sort', 'descending');
  await expect.poll(ids).toEqual([emil.name, dora.name]);
  await head.getByRole('button').click();
  await expect.poll(ids).toEqual([dora.name, emil.name]);

  // A message arrives over Dora's picture, and the keys stay her desktop's.
  await choose(page, dora.name, 'Send a message');
  await page.getByRole('textbox', { name: 'Message' }).fill('The room closes at noon.');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('Message sent to 1 desktop.')).toBeVisible();
  const notice = dorasPage.getByTestId('notice');
  await expect(notice).toContainText('The room closes at noon.');
  await expect(dorasPage.getByRole('status').filter({ hasText: 'The room closes at noon.' })).toHaveCount(1);
  expect(await dorasPage.evaluate(() => document.activeElement?.tagName)).toBe('CANVAS');
  await notice.getByRole('button', { name: 'Put this away' }).click();
  await expect(notice).toHaveCount(0);
  expect(await dorasPage.evaluate(() => document.activeElement?.tagName)).toBe('CANVAS');
  // Put away is put away, on her other pages too.
  const dorasPortal = await dorasPage.context().newPage();
  await dorasPortal.goto(`${deskway.url}/`);
  await expect(card(dorasPortal, dora.name)).toBeVisible();
  await expect(dorasPortal.getByTestId('notice')).toHaveCount(0);

  // Put to sleep while she looks at it, it says so over the picture; she wakes it up there.
  await choose(page, dora.name, 'Put to sleep');
  await page.getByRole('dialog').getByRole('button', { name: 'Put to sleep' }).click();
  const asleep = dorasPage.getByTestId('asleep');
  if (isHeld(dora, 'freezer')) {
    await expect(state(page, dora.name)).toHaveText('Asleep');
    await asleep.getByRole('button', { name: 'Wake it up' }).click();
  } else {
    await expect(page.getByRole('alert')).toContainText('cannot freeze desktops');
    await page.getByRole('button', { name: 'Dismiss' }).click();
  }
  await expect(asleep).toHaveCount(0);
  await expect(state(page, dora.name)).toHaveText('Running');
  await expect(viewer(dorasPage)).toHaveAttribute('data-state', 'connected');

  // Stopping asks once, and says what is lost; Dora is told who it was not.
  await choose(page, dora.name, 'Stop');
  const dialog = page.getByRole('dialog', { name: 'Stop Dora Dean’s main desktop?' });
  await expect(dialog).toContainText('Work that is not saved is lost');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(state(page, dora.name)).toHaveText('Running');
  await choose(page, dora.name, 'Stop');
  await dialog.getByRole('button', { name: 'Stop' }).click();
  await expect(viewer(dorasPage)).toHaveAttribute('data-state', 'ended');
  await expect(dorasPage.getByRole('heading', { name: 'The desktop was stopped.' })).toBeVisible();
  await expect(row(page, dora.name).filter({ hasText: 'Running' })).toHaveCount(0);
  await expect(state(page, emil.name)).toHaveText('Running');

  // The end of Emil's sign-ins reaches both of his pages at once.
  await page.getByRole('link', { name: /^People/ }).click();
  const person = page.locator(`[data-testid=admin-person][data-account="${emil.name}"]`);
  await person.getByRole('button', { name: 'Actions for Emil Ende' }).click();
  await page.getByRole('menuitem', { name: 'End sign-ins' }).click();
  const both = [emilsPage, emilsPortal].map((one) => expect(one.getByText('You were signed out.')).toBeVisible());
  await page.getByRole('button', { name: 'End sign-ins', exact: true }).click();
  await Promise.all(both);
  await expect(person).toHaveCount(0);
  // His desktop goes on, and he comes back to it.
  await page.getByRole('link', { name: /^Desktops/ }).click();
  await expect(state(page, emil.name)).toHaveText('Running');
  for (const one of [page, dorasPage, emilsPage]) await one.context().close();
});
