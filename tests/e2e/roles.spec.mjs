// The roles by themselves, and the administrator's commands beside them.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { PROGRAM } from './support/deskway.mjs';
import { desktopIsOpen, expect, signIn, test } from './support/test.mjs';
import { processesOf } from './support/people.mjs';

test('a launcher and a front that are started by themselves', async ({ page, alice }) => {
  const folder = `/run/dwt-${randomBytes(4).toString('hex')}`;
  mkdirSync(folder, { mode: 0o755 });
  const place = ['--run-dir', join(folder, 'run'), '--state-dir', join(folder, 'state')];
  const run = [place[0], place[1]];
  const stdio = ['ignore', 'pipe', 'inherit'];
  const launcher = spawn(PROGRAM, ['launcher', ...place, '--log-filter', 'warn'], { stdio });
  const front = spawn(PROGRAM, ['serve', '--listen', '127.0.0.1:0', '--log-filter', 'warn', ...place], { stdio });
  const ended = [launcher, front].map((it) => new Promise((resolve) => it.once('exit', resolve)));
  try {
    const [line] = await new Promise((resolve) =>
      createInterface({ input: front.stdout }).once('line', (...args) => resolve(args)),
    );
    const url = line.match(/http\S+/)[0];
    execFileSync(PROGRAM, ['desktop', 'start', `${alice.name}/work`, ...run]);
    const list = JSON.parse(execFileSync(PROGRAM, ['desktop', 'list', '--json', ...run], { encoding: 'utf8' }));
    expect(JSON.stringify(list)).toContain(`${alice.name}/work`);
    await signIn(page, alice, new URL(`d/${alice.name}/work/`, url).href);
    await desktopIsOpen(page);
    execFileSync(PROGRAM, ['desktop', 'stop', `${alice.name}/work`, ...run]);
    await expect(page.getByText('The desktop was stopped.')).toBeVisible();
  } finally {
    launcher.kill('SIGTERM');
    front.kill('SIGTERM');
    await Promise.all(ended);
    rmSync(folder, { recursive: true });
  }
});

test('a local account has its desktop as an account of the machine', async ({ page, deskway, alice }) => {
  const name = `dwt-local-${randomBytes(3).toString('hex')}`;
  const state = ['--state-dir', join(deskway.folder, 'state')];
  const user = (words, input) => execFileSync(PROGRAM, ['user', ...words, ...state], { input, encoding: 'utf8' });
  user(['add', name, '--os-user', alice.name, '--password-stdin'], 'a long password');
  expect(user(['list'])).toContain(name);
  const before = processesOf(alice).filter((it) => /Xtigervnc/.test(it.args)).length;
  await signIn(page, { name, password: 'a long password' }, `/d/${name}/`);
  await desktopIsOpen(page);
  const after = processesOf(alice).filter((it) => /Xtigervnc/.test(it.args)).length;
  expect(after).toBe(before + 1);

  // Whoever is removed is signed out, and their open desktop is cut.
  user(['remove', name, '--run-dir', deskway.runDir]);
  await expect(page).toHaveURL(/\/sign-in/);
  await signIn(page, { name, password: 'a long password' });
  await expect(page.getByRole('alert')).toBeVisible();
  execFileSync(PROGRAM, ['desktop', 'stop', '--all', '--run-dir', deskway.runDir]);
});
