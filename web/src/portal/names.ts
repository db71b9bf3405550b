// How a desktop is called in front of its owner.

import type { Desktop } from '../lib/desktop.ts';
import { t } from '../texts/index.ts';

export function nameOf(desktop: Desktop): string {
  return desktop.name === 'main' ? t.desktop.main : desktop.name;
}
