// The public index: works as plain links and a form; this script searches while one types.

import './styles/house.css';
import './styles/index.css';

import { applyTheme } from './lib/theme.ts';

applyTheme();

addEventListener('DOMContentLoaded', () => {
  const field = document.querySelector<HTMLInputElement>('.index-search [name=q]');
  const button = document.querySelector<HTMLButtonElement>('.index-search [type=submit]');
  const none = document.getElementById('index-none');
  const rows = [...document.querySelectorAll<HTMLLIElement>('.index-list > li')];
  // A list that the server has searched already holds only what it found.
  if (!field || !none || field.value !== '') return;

  const show = () => {
    const wanted = field.value.trim().toLowerCase();
    let found = 0;
    for (const row of rows) {
      row.hidden = !(row.dataset['id'] ?? '').includes(wanted);
      if (!row.hidden) found += 1;
    }
    none.hidden = found > 0;
  };
  field.addEventListener('input', show);
  // Enter opens the one that is left.
  field.form?.addEventListener('submit', (event) => {
    event.preventDefault();
    const left = rows.filter((row) => !row.hidden);
    const first = left[0]?.querySelector('a');
    if (left.length === 1) first?.click();
    else first?.focus();
  });
  if (button) button.hidden = true;
});
