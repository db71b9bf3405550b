// Takes pictures of every page in every scene, width and colour scheme, to be looked at.
// Usage: npm run build && npm run look -- [--out FOLDER] [--only PART_OF_A_NAME]

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromium } from '@playwright/test';

import { startMock } from './mock.mjs';

const { values: options } = parseArgs({
  options: { out: { type: 'string', default: 'test-results/look' }, only: { type: 'string', default: '' } },
});
const SIZES = [
  [360, 740],
  [1280, 800],
  [2560, 1440],
];
/** What to look at: a name, an address, and what to do there first. */
const VIEWS = [
  ['sign-in', '/sign-in'],
  ['sign-in-wrong', '/sign-in?scene=wrong'],
  ['sign-in-slow', '/sign-in?scene=slow'],
  ['error', '/error'],
  ['set-up', '/set-up#token'],
  ['portal-empty', '/?scene=empty'],
  ['portal-off', '/?scene=off'],
  ['portal-one', '/?scene=one', picture],
  ['portal-failed', '/?scene=failed'],
  ['portal-few', '/?scene=few', picture],
  ['portal-long', '/?scene=long', picture],
  ['portal-forty', '/?scene=forty'],
  ['portal-menu', '/?scene=few', (page) => page.getByRole('button', { name: /^More for/ }).first().click()],
  ['portal-account', '/?scene=few', (page) => page.getByRole('button', { name: /^Account of/ }).click()],
  ['portal-new', '/?scene=few', (page) => page.getByRole('button', { name: 'New desktop' }).click()],
  ['portal-stop', '/?scene=one', stop],
  ['portal-asleep', '/?scene=asleep'],
  ['portal-idle', '/?scene=idle'],
  ['portal-notices', '/?scene=notices'],
  ['portal-admin', '/?scene=admin'],
  ['admin-0', '/admin?scene=admin-0'],
  ['admin-1', '/admin?scene=admin-1', traffic],
  ['admin-40', '/admin?scene=admin-40', traffic],
  ['admin-500', '/admin?scene=admin-500', traffic],
  ['admin-long', '/admin?scene=admin-3-long', traffic],
  ['admin-people', '/admin?scene=admin-40#people', traffic],
  ['admin-nothing', '/admin?scene=admin-40', (page) => page.getByRole('searchbox').fill('nobody by this name')],
  ['admin-refused', '/admin?scene=admin-refused', (page) => page.getByText('for admins').waitFor()],
  ['admin-gone', '/admin?scene=admin-40', disconnected],
  ['admin-menu', '/admin?scene=admin-40', (page) => page.getByRole('button', { name: /^Actions for/ }).nth(4).click()],
  ['admin-stop', '/admin?scene=admin-40', (page) => choose(page, 2, 'Stop')],
  ['admin-message', '/admin?scene=admin-40', (page) => choose(page, 2, 'Send a message')],
  ['admin-details', '/admin?scene=admin-40', (page) => choose(page, 2, 'Details')],
  ['admin-end', '/admin?scene=admin-40', (page) => choose(page, 2, 'End sign-ins')],
  ['admin-selection', '/admin?scene=admin-40', select],
  ['admin-selection-part', '/admin?scene=admin-40', selectAndSearch],
  ['admin-stop-many', '/admin?scene=admin-40', selectAllAndStop],
  ['viewer-notices', '/d/alice/?scene=notices', connected],
  ['viewer-idle', '/d/alice/?scene=idle', connected],
  ['viewer-starting', '/d/alice/?scene=off', (page) => page.waitForSelector('[data-stage=session][data-state=active]')],
  ['viewer-failed', '/d/alice/?scene=failing', (page) => page.getByText('End of the log').click()],
  ['viewer-connected', '/d/alice/?scene=one', connected],
  ['viewer-toolbar', '/d/alice/?scene=one', (page) => toolbar(page)],
  ['viewer-clipboard', '/d/alice/?scene=one', (page) => toolbar(page, 'Clipboard')],
  ['viewer-keys', '/d/alice/?scene=one', (page) => toolbar(page, 'Keys')],
  ['viewer-quality', '/d/alice/?scene=one', (page) => toolbar(page, 'Quality')],
  ['viewer-lost', '/d/alice/?scene=one', (page, url) => cut(page, url, 1012)],
  ['viewer-ended', '/d/alice/?scene=one', (page, url) => cut(page, url, 4002)],
  ['viewer-address', '/d/alice/?scene=one&path=d/bob/websockify', () => undefined],
];

async function picture(page) {
  await page.waitForSelector('[data-testid=desktop] img');
}

async function stop(page) {
  await page.getByRole('button', { name: /^More for/ }).click();
  await page.getByRole('menuitem', { name: 'Stop' }).click();
}

async function traffic(page) {
  await page.waitForTimeout(2_500);
}

async function choose(page, row, what) {
  const running = page.locator('[data-testid=admin-desktop][data-state=ready]');
  await running.nth(row).getByRole('button', { name: /^Actions for/ }).click();
  await page.getByRole('menuitem', { name: what }).click();
}

async function select(page) {
  for (const row of [1, 2, 4]) await page.getByRole('checkbox', { name: /^Select .* desktop/ }).nth(row).check();
}

async function selectAndSearch(page) {
  await select(page);
  await page.getByRole('searchbox').fill('ada');
}

async function selectAllAndStop(page) {
  await page.getByRole('checkbox', { name: 'Select all' }).check();
  await page.getByTestId('selection').getByRole('button', { name: 'Stop' }).click();
}

async function disconnected(page) {
  await page.route('**/api/v1/**', (route) => route.abort());
  await page.evaluate(() => window.dispatchEvent(new Event('blur')));
  await page.context().setOffline(true);
  await page.waitForTimeout(1_500);
}

async function connected(page) {
  await page.waitForSelector('[data-testid=viewer][data-state=connected]');
}

async function toolbar(page, panel) {
  await connected(page);
  await page.getByRole('button', { name: 'Toolbar', exact: true }).press('Enter');
  if (panel) await page.getByRole('button', { name: panel, exact: true }).press('Enter');
}

async function cut(page, url, code) {
  await connected(page);
  await page.route('**/api/v1/**', (route) => route.abort());
  await page.request.get(`${url}/mock/close?code=${code}`);
  await page.waitForSelector('[data-testid=lost], [data-testid=closed]');
}

const mock = await startMock(0);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
mkdirSync(options.out, { recursive: true });
let troubles = 0;
try {
  for (const [name, path, act] of VIEWS.filter(([name]) => name.includes(options.only))) {
    for (const [width, height] of SIZES) {
      for (const colorScheme of ['light', 'dark']) {
        const context = await browser.newContext({ viewport: { width, height }, colorScheme, hasTouch: width < 600 });
        const page = await context.newPage();
        page.setDefaultTimeout(5_000);
        page.on('pageerror', (error) => trouble(name, error.message));
        page.on('console', (message) => message.type() === 'error' && trouble(name, message.text()));
        await page.goto(mock.url + path);
        await Promise.resolve(act?.(page, mock.url)).catch((error) => trouble(name, error.message));
        await page.waitForTimeout(600);
        await page.screenshot({ path: join(options.out, `${name}-${width}-${colorScheme}.png`) });
        await context.close();
      }
    }
  }
} finally {
  await browser.close();
  mock.stop();
}
console.log(`Pictures are in ${options.out}; ${troubles} troubles.`);

function trouble(name, text) {
  if (/ERR_FAILED|ERR_ABORTED|Got data while/.test(text)) return;
  troubles++;
  console.log(`${name}: ${text}`);
}
