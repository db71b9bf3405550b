// Pages of the administrator's own: files in `templates_dir`, read at the start and at SIGHUP.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Deskway } from './support/deskway.mjs';
import { expect, signIn, test } from './support/test.mjs';

test('a page of one\'s own is shown, read again at SIGHUP, and stays when the next is wrong', async ({ page, alice }) => {
  const folder = mkdtempSync(join(tmpdir(), 'dwt-templates-'));
  const file = join(folder, 'error.html');
  const write = (text) => writeFileSync(file, text, { mode: 0o644 });
  write('{% include "_ours.html" %} first: {{ heading }}');
  writeFileSync(join(folder, '_ours.html'), '<h1>The Lab</h1>');
  const deskway = await Deskway.start({ config: `[paths]\ntemplates_dir = "${folder}"\n` });
  try {
    const shown = async () => (await page.request.get(`${deskway.url}/nothing`)).text();
    expect(await shown()).toBe('<h1>The Lab</h1> first: Nothing here');

    write('second');
    process.kill(deskway.process.pid, 'SIGHUP');
    await expect.poll(shown).toBe('second');

    write('third\n{{ headign }}');
    process.kill(deskway.process.pid, 'SIGHUP');
    await expect.poll(() => deskway.log).toContain(`${file}:2: \`headign\` is undefined`);
    expect(await shown()).toBe('second');

    // A front that is started again reads them as they are; ones that are wrong it leaves alone.
    process.kill(deskway.pidOf('serve'), 'SIGKILL');
    await expect.poll(() => shown().catch(() => '')).toContain('first: Nothing here');

    // With none again, ours are back; the other pages were ours all the time.
    rmSync(folder, { recursive: true });
    writeFileSync(join(deskway.folder, 'deskway.toml'), '');
    process.kill(deskway.process.pid, 'SIGHUP');
    await expect.poll(() => shown().catch(() => '')).toContain('data-testid="error-page"');
    await signIn(page, alice, `${deskway.url}/`);
    await expect(page.getByTestId('desktop').first()).toBeVisible();
  } finally {
    await deskway.remove();
    rmSync(folder, { recursive: true, force: true });
  }
});
