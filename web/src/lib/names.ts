// How a desktop is called in front of its owner.

import type { Desktop } from './desktop.ts';
import { t } from '../texts/index.ts';

/** How it is called in front of others. */
export function fullNameOf(desktop: Desktop, person: string): string {
  return desktop.name === 'main' ? t.admin.mainOf(person) : t.admin.desktopOf(desktop.name, person);
}

export function nameOf(desktop: Desktop): string {
  return desktop.name === 'main' ? t.desktop.main : desktop.name;
}
