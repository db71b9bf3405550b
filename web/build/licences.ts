// Puts the licences of what the pages are built from into the build, as `assets/licenses.txt`.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Plugin } from 'vite';

interface Package {
  version: string;
  license: string;
  repository?: { url: string } | string;
}

export function licences(names: string[]): Plugin {
  return {
    name: 'licences',
    apply: 'build',
    async generateBundle() {
      const parts = await Promise.all(names.map(licenceOf));
      this.emitFile({ type: 'asset', fileName: 'assets/licenses.txt', source: parts.join(`\n${'='.repeat(78)}\n\n`) });
    },
  };
}

async function licenceOf(name: string): Promise<string> {
  const folder = join('node_modules', name);
  const about = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Package;
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} comes without a licence file`);
  const text = await readFile(join(folder, file), 'utf8');
  const source = typeof about.repository === 'string' ? about.repository : about.repository?.url;
  const address = (source ?? '').replace(/^git\+/, '');
  return `${name} ${about.version} (${about.license}), unmodified\nSource: ${address}\n\n${text}`;
}
