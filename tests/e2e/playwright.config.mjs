// Real accounts, real desktops, Debian's Chromium. `cargo xtask e2e` runs this with DESKWAY set.

import { defineConfig } from '@playwright/test';

// Tests that mostly wait: CI runs them beside what computes.
const WAITS = /(idle|proxies)\.spec\.mjs$/;

export default defineConfig({
  testDir: '.',
  projects: [
    { name: 'waits', testMatch: WAITS, outputDir: 'results/waits' },
    { name: 'works', testIgnore: WAITS, outputDir: 'results/works' },
  ],
  // Two desktops already keep two cores busy; a third beside them only makes all of them slow.
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  retries: 0,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    viewport: { width: 1280, height: 800 },
    screenshot: 'only-on-failure',
    trace: 'off',
    ignoreHTTPSErrors: true,
    launchOptions: {
      executablePath: '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
