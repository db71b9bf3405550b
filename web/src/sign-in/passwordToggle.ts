// A button in the password field that shows what was typed.

import { t } from '../texts/index.ts';

export function addPasswordToggle(password: HTMLInputElement): void {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'show-password';

  const show = (shown: boolean) => {
    password.type = shown ? 'text' : 'password';
    button.textContent = shown ? t.signIn.hide : t.signIn.show;
    button.ariaLabel = shown ? t.signIn.hidePassword : t.signIn.showPassword;
  };
  button.addEventListener('click', () => {
    show(password.type === 'password');
    password.focus();
  });
  // A shown password is not what a browser should remember as plain text.
  password.form?.addEventListener('submit', () => show(false));
  show(false);
  password.after(button);
}
