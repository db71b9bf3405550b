// The page from which an admin sees everybody's desktops.

import './styles/house.css';

import { mount } from 'svelte';

import Admin from './admin/Admin.svelte';
import { applyTheme } from './lib/theme.ts';

applyTheme();

addEventListener('DOMContentLoaded', () => {
  const target = document.getElementById('app');
  if (target) mount(Admin, { target });
});
