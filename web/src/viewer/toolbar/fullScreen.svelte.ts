// Full screen, with the keys that the browser otherwise keeps for itself where it lets them go.

interface KeyboardLock {
  lock(): Promise<void>;
  unlock(): void;
}

export class FullScreen {
  on = $state(document.fullscreenElement !== null);
  readonly possible = document.fullscreenEnabled;

  constructor() {
    document.addEventListener('fullscreenchange', () => (this.on = document.fullscreenElement !== null));
  }

  async toggle(): Promise<void> {
    const keyboard = (navigator as Navigator & { keyboard?: KeyboardLock }).keyboard;
    try {
      if (this.on) {
        keyboard?.unlock();
        await document.exitFullscreen();
      } else {
        await document.documentElement.requestFullscreen({ navigationUI: 'hide' });
        await keyboard?.lock();
      }
    } catch {
      // The browser said no; it tells the person itself.
    }
  }
}
