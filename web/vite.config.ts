import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

import { licences } from './build/licences.ts';
import { precompress } from './build/precompress.ts';

export default defineConfig({
  // Pages may be served below a path that is known only when the server starts.
  base: './',
  publicDir: false,
  plugins: [svelte(), licences(['@novnc/novnc', '@lucide/svelte', 'svelte']), precompress()],
  build: {
    // noVNC asks at load time, with a top-level await, whether the browser decodes H.264.
    target: 'es2022',
    manifest: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ['sign-in', 'index', 'portal', 'admin', 'viewer', 'set-up', 'error'].map((page) => `src/${page}.ts`),
    },
  },
});
