// The page of the one-time link that makes the first account.

import './styles/house.css';
import './styles/door.css';

import { mount } from 'svelte';

import { applyTheme } from './lib/theme.ts';
import SetUp from './set-up/SetUp.svelte';

applyTheme();

// The token leaves the address bar (and the history) before anything else happens.
const token = decodeURIComponent(location.hash.replace(/^#(token=)?/, ''));
if (location.hash) history.replaceState(null, '', location.pathname + location.search);

addEventListener('DOMContentLoaded', () => {
  const target = document.getElementById('app');
  if (target) mount(SetUp, { target, props: { token } });
});
