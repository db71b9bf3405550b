// Ctrl-C on what `cargo xtask demo` starts: the gateway and all desktops end, nothing is left.

import { existsSync, readdirSync } from 'node:fs';

import { Deskway } from './support/deskway.mjs';
import { desktopIsOpen, expect, signIn, test } from './support/test.mjs';
import { makePerson, processesOf, removePerson } from './support/people.mjs';

test('Ctrl-C ends the gateway and the desktops', async ({ page }) => {
  const carol = makePerson('c');
  const deskway = await Deskway.start({ flags: ['--stop-desktops-on-exit'] });
  await signIn(page, carol, `${deskway.url}/d/${carol.name}/`);
  await desktopIsOpen(page);
  const roles = ['launcher', 'serve'].map((role) => deskway.pidOf(role));
  expect(processesOf(carol).length).toBeGreaterThan(5);

  process.kill(deskway.process.pid, 'SIGINT');
  await deskway.ended;
  expect(processesOf(carol)).toEqual([]);
  for (const pid of roles) expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect(readdirSync(`${deskway.runDir}/s`)).toEqual([]);
  expect(readdirSync(`${deskway.runDir}/d`)).toEqual([]);
  await deskway.remove();
  await removePerson(carol);
});
