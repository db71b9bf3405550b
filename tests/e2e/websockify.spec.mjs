// `deskway websockify` in front of a VNC server of its own, as others run it: with noVNC's own
// pages, unmodified, and a recording that is played back.

import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { expect, test } from '@playwright/test';

import { PROGRAM } from './support/deskway.mjs';
import { XDesktop } from './support/x-desktop.mjs';

/** Debian's package `novnc`. */
const NOVNC = '/usr/share/novnc';
const READY = /proxying from (127\.0\.0\.1:\d+) to /;

/** Feeds a recording to noVNC as if it came from a desktop. */
const PLAYER = `<!DOCTYPE html>
<title>Playback</title>
<div id="screen" style="width: 800px; height: 600px"></div>
<script src="/recording.js"></script>
<script type="module">
  import RFB from '/core/rfb.js';

  class Recorded {
    binaryType = 'arraybuffer';
    protocol = '';
    readyState = 'open';
    onopen = null;
    onmessage = null;
    onerror = null;
    onclose = null;
    send() {}
    close() {}
  }
  const channel = new Recorded();
  const rfb = new RFB(document.getElementById('screen'), channel);
  let title = 'Over';
  rfb.addEventListener('disconnect', () => (title = 'Broken'));
  for (const entry of VNC_frame_data) {
    if (entry === 'EOF') document.title = title;
    if (!entry.startsWith('{')) continue;
    const data = entry.slice(entry.indexOf('{', 1) + 1);
    channel.onmessage({ data: Uint8Array.from(data, (sign) => sign.charCodeAt(0)).buffer });
    // What was said so far is answered before the next piece comes, as on a network.
    await new Promise((resolve) => setTimeout(resolve));
  }
</script>`;

test("noVNC's own page shows the desktop, and the recording of it", async ({ page, context }) => {
  const desktop = await XDesktop.start();
  const record = join(desktop.folder, 'session');
  const args = ['websockify', '--web', NOVNC, '--record', record];
  const websockify = spawn(PROGRAM, [...args, '--unix-target', desktop.socket, '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => websockify.once('exit', resolve).once('error', resolve));
  try {
    const url = `http://${await address(websockify)}`;
    const [ready, typed] = ['ready', 'typed'].map((name) => join(desktop.folder, name));
    const script = `echo yes > ${ready}; read line; echo "$line" > ${typed}; seq 1 200; sleep 600`;
    desktop.run('xterm', ['-geometry', '120x40+0+0', '-e', 'sh', '-c', script]);
    await expect.poll(() => read(ready)).toBe('yes\n');

    await page.goto(`${url}/vnc.html?autoconnect=1`);
    await expect(page.locator('html')).toHaveClass(/noVNC_connected/);
    const canvas = page.locator('#noVNC_container canvas');
    await expect.poll(() => canvas.evaluate(colours)).toBeGreaterThan(1);

    // Without a window manager the keys go where the pointer is.
    await canvas.click({ position: { x: 200, y: 150 } });
    await page.keyboard.type('it arrives');
    await page.keyboard.press('Enter');
    await expect.poll(() => read(typed)).toBe('it arrives\n');

    const last = await canvas.elementHandle();
    websockify.kill('SIGTERM');
    expect(await ended).toBe(0);
    await expect(page.locator('html')).not.toHaveClass(/noVNC_connected/);

    const [recording] = readdirSync(desktop.folder).filter((name) => name.startsWith('session'));
    const player = await context.newPage();
    await player.route(`${url}/**`, (route) => {
      const { pathname } = new URL(route.request().url());
      if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: PLAYER });
      const file = pathname === '/recording.js' ? recording : null;
      return route.fulfill({ path: file ? join(desktop.folder, file) : join(NOVNC, pathname) });
    });
    await player.goto(url);
    await expect(player).toHaveTitle('Over');
    const again = player.locator('#screen canvas');
    await expect.poll(() => again.evaluate(colours)).toBeGreaterThan(1);
    const shown = async () => (await last.evaluate(pixels)) === (await again.evaluate(pixels));
    await expect.poll(shown).toBe(true);
  } finally {
    websockify.kill('SIGKILL');
    await ended;
    await desktop.remove();
  }
});

/** Where it listens, as its log says. */
function address(websockify) {
  return new Promise((resolve, reject) => {
    let log = '';
    createInterface({ input: websockify.stderr }).on('line', (line) => {
      log += `${line}\n`;
      const match = line.match(READY);
      if (match) resolve(match[1]);
    });
    websockify.once('error', reject);
    websockify.once('exit', (code) => reject(new Error(`ended with ${code}:\n${log}`)));
  });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** How many colours a canvas shows. Runs in the page. */
function colours(canvas) {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}

/** All that a canvas shows. Runs in the page. */
function pixels(canvas) {
  return canvas.toDataURL();
}
