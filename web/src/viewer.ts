// The page of one desktop.

import './styles/house.css';
import './styles/viewer.css';

import { mount } from 'svelte';

import { applyTheme } from './lib/theme.ts';
import Viewer from './viewer/Viewer.svelte';

applyTheme();

// noVNC is fetched while the desktop is found and, if need be, started.
import('@novnc/novnc').catch(() => undefined);

addEventListener('DOMContentLoaded', () => {
  const target = document.getElementById('app');
  if (target) mount(Viewer, { target });
});
