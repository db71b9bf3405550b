// How smooth the admin's page is with 500 desktops of which 270 change every second: what the page's
// thread does, in processor time, which other programs of the machine do not change.
// Usage: npm run build && npm run measure

import { chromium } from '@playwright/test';

import { startMock } from './mock.mjs';

const SECONDS = 10;
const LONG_MS = 50;
const mock = await startMock(0);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await measure(page, 'until all rows are there', async () => {
    await page.goto(`${mock.url}/admin?scene=admin-500`);
    await page.waitForFunction(() => document.querySelectorAll('[data-testid=admin-desktop]').length === 500);
    return [];
  });
  await measure(page, 'at rest', () => page.evaluate(frames, [SECONDS, 0]));
  await measure(page, 'while it is scrolled', () => page.evaluate(frames, [SECONDS, 40]));
  await measure(page, 'while it is searched', async () => {
    for (const text of ['a', 'al', 'ala', 'alan', '', 'running', '']) await page.getByRole('searchbox').fill(text);
    return [];
  });
} finally {
  await browser.close();
  mock.stop();
}

/** Traces what `act` does; it answers with the lengths of frames. */
async function measure(page, what, act) {
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
  const began = performance.now();
  const shown = (await act()).sort((a, b) => a - b);
  const seconds = (performance.now() - began) / 1000;
  const { traceEvents: events } = JSON.parse(String(await browser.stopTracing()));
  const threads = events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const tasks = events.filter(
    ({ name, pid, tid, tdur }) => name.endsWith('RunTask') && tdur && threads.some((one) => one.pid === pid && one.tid === tid),
  );
  const times = tasks.map(({ tdur }) => tdur / 1000);
  const sum = times.reduce((all, one) => all + one, 0);
  const long = times.filter((one) => one > LONG_MS).length;
  const frame = shown.length === 0 ? '' : `; frames of ${at(shown, 0.5)} ms (median), ${at(shown, 0.99)} ms (99 of 100)`;
  console.log(
    `${what}: ${sum.toFixed(0)} ms of processor time in ${seconds.toFixed(1)} s; the longest task ${Math.max(...times).toFixed(0)} ms, ${long} over ${LONG_MS} ms${frame}`,
  );
}

function at(sorted, part) {
  return sorted[Math.floor(part * (sorted.length - 1))].toFixed(1);
}

/** In the page: the length of each frame, while it is scrolled by so many pixels a frame. */
function frames([seconds, pixels]) {
  return new Promise((resolve) => {
    const lengths = [];
    let began;
    let last;
    const next = (now) => {
      began ??= now;
      if (last !== undefined) lengths.push(now - last);
      last = now;
      if (pixels > 0) window.scrollTo(0, (lengths.length * pixels) % (document.documentElement.scrollHeight - innerHeight));
      if (now - began < seconds * 1000) requestAnimationFrame(next);
      else resolve(lengths);
    };
    requestAnimationFrame(next);
  });
}
