// `cargo xtask bench start`: from click to desktop, Deskway beside the same thing done by hand,
// interleaved in one run. Prints the table of docs/benchmarks.md. Needs root and Debian's nginx,
// novnc and websockify.

import { chromium } from '@playwright/test';

import { Deskway } from '../support/deskway.mjs';
import { makePerson, removePerson } from '../support/people.mjs';
import { memory } from './memory.mjs';
import { byHand, byScript } from './by-hand.mjs';
import { Chain } from './chain.mjs';
import { Visitor } from './visitor.mjs';
import { untilPicture } from './picture.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 5);

const alice = makePerson('a');
const bob = makePerson('b');
const deskway = await Deskway.start();
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
});
const figures = {};
const add = (name, value) => (figures[name] ??= []).push(value);

try {
  const visitor = await Visitor.signIn(deskway, alice);
  for (let round = 0; round <= ROUNDS; round += 1) {
    const hand = await byHand(bob);
    const ours = await visitor.startAndWait();
    const script = await byScript(bob);
    if (round === 0) continue; // the first one warms the caches of files for all of them
    add('greeting, by hand', hand.greeting);
    add('greeting, Deskway', ours.greeting);
    add('drawn, by hand', hand.drawn);
    add('drawn, Deskway', ours.drawn);
    add('drawn, vncserver', script.drawn);
  }

  await visitor.start();
  const chain = await Chain.start(bob);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await visitor.lendCookie(context);
  for (let round = 0; round <= ROUNDS; round += 1) {
    const theirs = await untilPicture(context, chain.url);
    const own = await untilPicture(context, `${deskway.url}/d/${alice.name}/`);
    if (round === 0) continue;
    add('re-entry, chain', theirs);
    add('re-entry, Deskway', own);
  }
  await chain.stop();

  const pages = [await context.newPage(), await context.newPage()];
  for (const page of pages) {
    await page.goto(`${deskway.url}/d/${alice.name}/`);
    await page.locator('[data-testid=viewer][data-state=connected]').waitFor();
  }
  figures.memory = memory(deskway, alice);
  print();
} finally {
  await browser.close();
  await deskway.remove();
  await removePerson(alice);
  await removePerson(bob);
}

function print() {
  const median = (name) => [...figures[name]].sort((a, b) => a - b)[Math.floor(ROUNDS / 2)];
  const range = (name) => `${Math.min(...figures[name]).toFixed(2)}–${Math.max(...figures[name]).toFixed(2)}`;
  const row = (what, name, other) => {
    const cell = (it) => `${median(it).toFixed(2)} s (${range(it)})`;
    const ratio = (median(name) / median(other)).toFixed(2);
    console.log(`| ${what} | ${cell(other)} | ${cell(name)} | ${ratio} |`);
  };
  console.log(`${ROUNDS} rounds, median (range)\n`);
  console.log('| from click to | beside | Deskway | ratio |\n|---|---|---|---|');
  row('RFB greeting; beside: Xtigervnc by hand', 'greeting, Deskway', 'greeting, by hand');
  row('drawn XFCE; beside: Xtigervnc + startxfce4 by hand', 'drawn, Deskway', 'drawn, by hand');
  row('drawn XFCE; beside: the vncserver script', 'drawn, Deskway', 'drawn, vncserver');
  row('picture of a running desktop; beside: NGINX + Websockify + noVNC', 're-entry, Deskway', 're-entry, chain');
  console.log('\n| memory with two viewers open (PSS) | MB |\n|---|---|');
  for (const [what, megabytes] of Object.entries(figures.memory)) {
    console.log(`| ${what} | ${megabytes.toFixed(1)} |`);
  }
}
