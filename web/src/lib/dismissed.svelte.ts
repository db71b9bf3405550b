// Which notices were put away, for all windows of this browser.

import { readDismissed, withDismissed } from './notices.ts';

const KEY = 'deskway.notices';

class Dismissed {
  keys: string[] = $state.raw(this.saved());

  constructor() {
    addEventListener('storage', (event) => {
      if (event.key === KEY) this.keys = readDismissed(event.newValue);
    });
  }

  add(key: string): void {
    this.keys = withDismissed(this.keys, key);
    try {
      localStorage.setItem(KEY, JSON.stringify(this.keys));
    } catch {
      // Storage may be forbidden: put away in this window alone.
    }
  }

  private saved(): string[] {
    try {
      return readDismissed(localStorage.getItem(KEY));
    } catch {
      return [];
    }
  }
}

export const dismissed = new Dismissed();
