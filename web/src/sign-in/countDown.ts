// The button says for how long it waits, when too many wrong passwords slowed things down.

import { t } from '../texts/index.ts';

export function countDown(seconds: number, button: HTMLButtonElement, done: () => void): void {
  const label = button.querySelector('span') ?? button;
  const words = label.textContent;
  const end = Date.now() + seconds * 1000;
  button.disabled = true;

  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left > 0) {
      label.textContent = t.signIn.wait(left);
      return;
    }
    clearInterval(timer);
    label.textContent = words;
    button.disabled = false;
    done();
  };
  const timer = setInterval(tick, 250);
  tick();
}
