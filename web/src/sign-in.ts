// The sign-in page. It works without this script, which only makes it more comfortable.

import './styles/house.css';
import './styles/door.css';

import { cameFromEnd } from './lib/signIn.ts';
import { applyTheme } from './lib/theme.ts';
import { countDown } from './sign-in/countDown.ts';
import { addPasswordToggle } from './sign-in/passwordToggle.ts';
import { t } from './texts/index.ts';

applyTheme();

addEventListener('DOMContentLoaded', () => {
  const form = document.querySelector<HTMLFormElement>('.door-form');
  const name = form?.querySelector<HTMLInputElement>('[name=name]');
  const password = form?.querySelector<HTMLInputElement>('[name=password]');
  const button = form?.querySelector<HTMLButtonElement>('[type=submit]');
  const message = form?.querySelector<HTMLElement>('#message');
  if (!form || !name || !password || !button || !message) return;

  addPasswordToggle(password);
  if (cameFromEnd() && !message.textContent) {
    message.dataset['kind'] = 'ended';
    message.textContent = t.signIn.ended;
  }
  const seconds = Number(message.dataset['seconds'] ?? 0);
  if (seconds > 0) {
    // The button counts now; a number in the message would stand still.
    message.textContent = t.signIn.slowed;
    countDown(seconds, button, () => password.focus());
  }
  (name.value ? password : name).focus();
  // A second press would count as a second try.
  form.addEventListener('submit', () => queueMicrotask(() => (button.disabled = true)));
  // Back in the page from the browser's memory: ready for the next try.
  addEventListener('pageshow', (event) => {
    if (event.persisted) button.disabled = false;
  });
});
