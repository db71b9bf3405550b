// Nobody uses a desktop: its owner is told in the page and can keep it; then it sleeps, and wakes up
// as it was.

import { insideDesktop } from './support/people.mjs';
import { card, desktopIsOpen, expect, openLink, screen, signIn, test, viewer } from './support/test.mjs';

test.use({ config: '[idle]\nwarn_after = "6s"\nfreeze_after = "16s"\nstop_after = "2m"\nbusy_cpu = 100\n' });
test.setTimeout(150_000);

test('a desktop that nobody uses warns, is kept, sleeps, and is the same when it wakes up', async ({ page, alice, deskway }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  insideDesktop(alice, 'xprop', ['-root', '-f', 'DESKWAY_TEST', '8s', '-set', 'DESKWAY_TEST', 'the same as before']);

  // Left alone it is warned of; "Keep it" sends the warning away.
  await page.goto('/');
  const mine = card(page, alice.name);
  const notice = mine.getByTestId('notice');
  await expect(notice).toContainText('Nobody seems to use this desktop.', { timeout: 30_000 });
  await expect(page.getByRole('status').filter({ hasText: 'Nobody seems to use this desktop.' })).toHaveCount(1);
  await notice.getByRole('button', { name: 'Keep it' }).click();
  await expect(notice).toHaveCount(0);
  await expect(mine.getByTestId('state')).toHaveText('Running');

  // Left alone again, it goes to sleep after another warning.
  await expect(notice).toContainText('It goes to sleep', { timeout: 30_000 });
  const state = mine.getByTestId('state');
  const cannot = () => deskway.log.includes('this machine cannot freeze desktops');
  const decided = async () => cannot() || (await state.textContent()) === 'Asleep';
  await expect.poll(decided, { timeout: 40_000 }).toBe(true);
  if (cannot()) {
    // As in many containers: it goes on.
    await expect(state).toHaveText('Running');
  } else {
    await expect(mine).toContainText('Opening it wakes it up.');
  }

  // The next visit finds it as it was, without a start.
  await openLink(page, alice.name).click();
  await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
  await expect(page.getByTestId('stages')).toHaveCount(0);
  expect(insideDesktop(alice, 'xprop', ['-root', 'DESKWAY_TEST'])).toContain('the same as before');
  await expect.poll(() => colours(page)).toBeGreaterThan(1);
});

test('who only looks is warned over the picture, and keeps the desktop there', async ({ page, bob }) => {
  await signIn(page, bob, `/d/${bob.name}/`);
  await desktopIsOpen(page);
  const notice = page.getByTestId('notice');
  await expect(notice).toContainText('Nobody seems to use this desktop. It ends in', { timeout: 30_000 });
  await notice.getByRole('button', { name: 'Keep it' }).click();
  await expect(notice).toHaveCount(0);
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('CANVAS');
  await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
});

/** How many colours a coarse look at the picture finds: one where nothing is drawn. */
function colours(page) {
  return screen(page).evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const found = new Set();
    for (let at = 0; at + 2 < data.length; at += 4 * 97) found.add(`${data[at]} ${data[at + 1]} ${data[at + 2]}`);
    return found.size;
  });
}
