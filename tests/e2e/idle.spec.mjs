// Nobody uses a desktop: its owner is told in the page and can keep it; then it sleeps, and wakes up
// as it was. The times are as short as the launcher's look at idle desktops allows.

import { card, desktopIsOpen, expect, openLink, signIn, test, viewer } from './support/test.mjs';
import { insideDesktop } from './support/people.mjs';

test.use({ config: '[idle]\nwarn_after = "6s"\nfreeze_after = "14s"\nbusy_cpu = 100\n' });
test.setTimeout(150_000);

test('a desktop that nobody uses warns, is kept, sleeps, and is the same when it wakes up', async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  insideDesktop(alice, 'xsetroot', ['-name', 'the same as before']);

  // The warning lies over the picture and takes no keys. "Keep it" sends it away.
  const notice = page.getByTestId('notice');
  await expect(notice).toContainText('Nobody seems to use this desktop.', { timeout: 40_000 });
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('CANVAS');
  await notice.getByRole('button', { name: 'Keep it' }).click();
  await expect(notice).toHaveCount(0);
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('CANVAS');

  // With somebody watching it is warned of again, and does not sleep; left alone it does.
  await page.goto('/');
  const mine = card(page, alice.name);
  await expect(mine.getByTestId('state')).toHaveText('Asleep', { timeout: 60_000 });
  await expect(mine).toContainText('Opening it wakes it up.');

  // The next visit finds it as it was, and says "Waking up" only when that takes a moment.
  await openLink(page, alice.name).click();
  await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
  await expect(page.getByTestId('stages')).toHaveCount(0);
  const root = insideDesktop(alice, 'xprop', ['-root', 'WM_NAME']);
  expect(root).toContain('the same as before');
});
