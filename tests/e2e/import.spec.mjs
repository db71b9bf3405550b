// From NGINX: two desktops behind NGINX and websockify, whose nginx.conf is imported. Deskway takes
// over, and the links that people have go on working.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Deskway, PROGRAM } from './support/deskway.mjs';
import { desktopIsOpen, expect, screen, signIn, test } from './support/test.mjs';
import { freePort, startWebsockify } from './support/websockify.mjs';
import { XDesktop } from './support/x-desktop.mjs';

const NGINX_CONF = new URL('../import/two-desktops.conf', import.meta.url);
/** Debian's package `novnc`. */
const NOVNC = '/usr/share/novnc';

const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

test("the links to Alice's and Bob's desktops open after the import", async ({ browser, alice, bob }) => {
  const people = [alice, bob];
  const desktops = [];
  const servers = [];
  let deskway;
  try {
    for (const _ of people) desktops.push(await XDesktop.start());
    for (const desktop of desktops) {
      servers.push(await startWebsockify(desktop, ['--web', NOVNC]));
      const script = `echo yes > ready; read line; echo "$line" > typed; sleep 600`;
      const inside = `cd ${desktop.folder}; ${script}`;
      desktop.run('xterm', ['-geometry', '120x40+0+0', '-e', 'sh', '-c', inside]);
      await expect.poll(() => read(join(desktop.folder, 'ready'))).toBe('yes\n');
    }
    const [first, second] = servers.map(({ port }) => `127.0.0.1:${port}/`);
    const port = await freePort();
    const conf = readFileSync(NGINX_CONF, 'utf8')
      .replace('listen 80 default_server', `listen 127.0.0.1:${port} default_server`)
      .replaceAll('127.0.0.1:6080/', first)
      .replaceAll('127.0.0.1:6081/', second)
      .replaceAll('/novnc/alice/', `/novnc/${alice.name}/`)
      .replaceAll('/novnc/bob/', `/novnc/${bob.name}/`);
    const from = join(desktops[0].folder, 'nginx.conf');
    const to = join(desktops[0].folder, 'deskway.toml');
    writeFileSync(from, conf);
    const said = execFileSync(PROGRAM, ['import', from, '--write', to], { encoding: 'utf8' });
    expect(said).toContain('2 attached desktops');
    expect(execFileSync(PROGRAM, ['check-config', to], { encoding: 'utf8' })).toContain('nothing is wrong');

    // It listens where nginx did.
    deskway = await Deskway.start({ config: readFileSync(to, 'utf8'), listen: '' });
    expect(deskway.url).toBe(`http://127.0.0.1:${port}`);

    // The index that nginx showed to everybody.
    const guest = await browser.newPage();
    await guest.goto(`${deskway.url}/`);
    await guest.getByRole('link', { name: alice.name }).first().click();
    await expect(guest).toHaveURL(/\/sign-in\?next=/);
    await guest.close();

    for (const [index, person] of people.entries()) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const query = `resize=remote&path=novnc/${person.name}/websockify`;
      await signIn(page, person, `${deskway.url}/novnc/${person.name}/vnc.html?${query}`);
      await desktopIsOpen(page);
      await screen(page).click({ position: { x: 200, y: 150 } });
      await page.keyboard.type(`for ${person.name}`);
      await page.keyboard.press('Enter');
      const typed = join(desktops[index].folder, 'typed');
      await expect.poll(() => read(typed)).toBe(`for ${person.name}\n`);
      // That the other's desktop is there is no secret with an index for everybody, and no more is.
      const other = people[1 - index];
      const answer = await page.goto(`${deskway.url}/novnc/${other.name}/vnc.html`);
      expect(answer.status()).toBe(403);
      await context.close();
    }
  } finally {
    await deskway?.remove();
    for (const server of servers) await server.end();
    for (const desktop of desktops) await desktop.remove();
  }
});
