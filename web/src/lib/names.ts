// How a desktop is called in front of its owner.

import type { Desktop } from './desktop.ts';
import { t } from '../texts/index.ts';

export function nameOf(desktop: Desktop): string {
  return desktop.name === 'main' ? t.desktop.main : desktop.name;
}
