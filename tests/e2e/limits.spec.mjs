// What a limit did is said in the desktop's page, over the picture, and the desktop goes on.

import { chownSync, writeFileSync } from 'node:fs';

import { isHeld, processesOf } from './support/people.mjs';
import { card, desktopIsOpen, expect, signIn, test, viewer } from './support/test.mjs';

/** Takes all memory that there is, from when a file tells it to. */
const HOG = 'until [ -e go ]; do sleep 0.05; done; tail /dev/zero';

test.use({
  config: `
[desktops]
default_profile = "hog"

[[profile]]
id = "hog"
name = "A terminal, and somebody greedy beside it"
command = ["sh", "-c", "(${HOG}) & exec xterm"]

[limits]
memory_max = "256M"
`,
});

test('the page says which program the kernel ended, and the desktop goes on', async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await desktopIsOpen(page);
  const isOfGroup = isHeld(alice, 'memory');
  const go = `${alice.home}/go`;
  writeFileSync(go, '');
  chownSync(go, alice.uid, alice.uid);
  const notice = page.getByTestId('notice');
  if (!isOfGroup) {
    // Each program has the limit for itself there: the greedy one comes to its own end, untold.
    const greedy = () => processesOf(alice).filter((it) => it.args.includes('/dev/zero')).length;
    await expect.poll(greedy).toBe(0);
    await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
    await expect(notice).toHaveCount(0);
    return;
  }
  await expect(notice).toContainText('Your desktop reached its 256 MB of memory; the kernel ended ');
  // The kernel's log has the name, where it may be read.
  await expect(notice).toContainText(/ended (tail|a program)\./);
  await expect(notice.locator('time')).toHaveText('just now');
  await expect(notice.locator('time')).toHaveAttribute('title', new RegExp(`${new Date().getFullYear()}`));
  await expect(viewer(page)).toHaveAttribute('data-state', 'connected');
  // The portal says so too, until it is put away there, for both.
  const portal = await page.context().newPage();
  await portal.goto('/');
  const told = card(portal, alice.name).getByTestId('notice');
  await expect(told).toContainText('the kernel ended ');
  await told.getByRole('button', { name: 'Put this away' }).click();
  await expect(told).toHaveCount(0);
  await expect(notice).toHaveCount(0);
});
