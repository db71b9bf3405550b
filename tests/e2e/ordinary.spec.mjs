// Without root: one account runs all of it, people are local accounts with homes of their own, and
// the first person comes by the set-up link.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { makePerson, processesOf, removePerson } from './support/people.mjs';
import { PROGRAM } from './support/deskway.mjs';
import { desktopIsOpen, expect, screen, test } from './support/test.mjs';

test('an ordinary user serves the first person, who comes by the set-up link', async ({ page }) => {
  const host = makePerson('host', 'Host');
  const become = ['--reuid', host.name, '--regid', host.name, '--init-groups'];
  const environment = ['env', '-i', `HOME=${host.home}`, `USER=${host.name}`, 'PATH=/usr/bin:/bin'];
  const up = [PROGRAM, 'up', '--listen', '127.0.0.1:0', '--stop-desktops-on-exit'];
  const deskway = spawn('setpriv', [...become, ...environment, ...up], { cwd: host.home });
  let left;
  const ended = new Promise((resolve) => deskway.once('exit', resolve));
  const lines = createInterface({ input: deskway.stdout })[Symbol.asyncIterator]();
  try {
    const link = await lineWith(lines, /set-up#/);
    const url = (await lineWith(lines, /Deskway is at/)).match(/http\S+/)[0];

    await page.goto(link.match(/http\S+/)[0]);
    await page.locator('input[name=name], input[autocomplete=username]').first().fill('carol');
    for (const field of await page.locator('input[type=password]').all()) {
      await field.fill('a long password');
    }
    await page.getByRole('button', { name: 'Create account' }).click();
    expect(page.url()).not.toContain('#');
    await page.getByRole('link', { name: 'Sign in' }).click();

    await page.locator('input[name=name]').fill('carol');
    await page.locator('input[name=password]').fill('a long password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page).toHaveURL(url);
    await page.goto(new URL('d/carol/', url).href);
    await desktopIsOpen(page);
    await screen(page).click();
    await page.keyboard.press('Control+Alt+t');
    await expect.poll(() => processesOf(host).some((it) => /xfce4-terminal/.test(it.args))).toBe(true);
    expect(existsSync(join(host.home, '.local/state/deskway/homes/carol/.config'))).toBe(true);
    expect(existsSync(join(host.home, '.config/xfce4'))).toBe(false);
  } finally {
    deskway.kill('SIGINT');
    await ended;
    left = processesOf(host);
    await removePerson(host);
  }
  expect(left).toEqual([]);
});

async function lineWith(lines, pattern) {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`no line with ${pattern}`);
    if (pattern.test(value)) return value;
  }
}
