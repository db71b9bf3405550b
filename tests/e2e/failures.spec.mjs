// When something fails, the page says why in plain words.

import { expect, signIn, test, viewer } from './support/test.mjs';

test.use({
  config: `
[desktops]
default_profile = "broken"

[[profile]]
id = "broken"
name = "A command that is not there"
command = ["/opt/nowhere/start-desktop"]

[[profile]]
id = "dies"
name = "A session that dies"
command = ["sh", "-c", "echo the licence file is missing >&2; exit 3"]
`,
});

test('a session whose command does not exist', async ({ page, alice }) => {
  await signIn(page, alice, `/d/${alice.name}/`);
  await expect(viewer(page)).toHaveAttribute('data-state', 'failed');
  await expect(page.getByText('/opt/nowhere/start-desktop').first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Try again' })).toBeVisible();
});

test('a session that dies at once, with the end of its log', async ({
  page,
  browser,
  deskway,
  alice,
  bob,
}) => {
  await signIn(page, alice);
  const start = `/api/v1/desktops/${alice.name}/dies/start`;
  const answer = await page.evaluate(async (url) => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ profile: 'dies', geometry: null });
    return (await fetch(url, { method: 'POST', headers, body })).status;
  }, start);
  expect(answer).toBe(202);
  await page.goto(`/d/${alice.name}/dies/`);
  await expect(viewer(page)).toHaveAttribute('data-state', /failed|ended/);
  await expect(page.getByText(/ended after \d+ s with exit status 3/)).toBeVisible();
  await page.getByText('End of the log').click();
  await expect(page.getByText('the licence file is missing')).toBeVisible();

  const other = await (await browser.newContext({ baseURL: deskway.url })).newPage();
  await signIn(other, bob);
  await expect(other).toHaveURL(`${deskway.url}/`);
  const seen = await other.goto(`/d/${alice.name}/dies/`);
  expect(seen.status()).toBe(404);
  expect(await other.content()).not.toContain('licence file');
});
