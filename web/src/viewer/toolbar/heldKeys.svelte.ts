// Modifier keys held down in the desktop from the toolbar.

import type RFB from '@novnc/novnc';

import { KEYS, type KeyName } from '../keysyms.ts';

export class HeldKeys {
  private held: KeyName[] = $state([]);
  private readonly rfb: () => RFB | null;

  constructor(rfb: () => RFB | null) {
    this.rfb = rfb;
  }

  get any(): boolean {
    return this.held.length > 0;
  }

  has(key: KeyName): boolean {
    return this.held.includes(key);
  }

  toggle(key: KeyName): void {
    const down = !this.has(key);
    this.send(key, down);
    this.held = down ? [...this.held, key] : this.held.filter((one) => one !== key);
  }

  releaseAll(): void {
    for (const key of this.held) this.send(key, false);
    this.held = [];
  }

  /** Presses a key once. */
  press(key: KeyName): void {
    this.send(key, true);
    this.send(key, false);
  }

  private send(key: KeyName, down: boolean): void {
    const { keysym, code } = KEYS[key];
    this.rfb()?.sendKey(keysym, code, down);
  }
}
