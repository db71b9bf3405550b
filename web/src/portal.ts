// The portal: a person's desktops.

import './styles/house.css';

import { mount } from 'svelte';

import { applyTheme } from './lib/theme.ts';
import Portal from './portal/Portal.svelte';

applyTheme();

addEventListener('DOMContentLoaded', () => {
  const target = document.getElementById('app');
  if (target) mount(Portal, { target });
});
