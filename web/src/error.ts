// Errors as pages of the same house; the server writes their words.

import './styles/house.css';
import './styles/door.css';

import { applyTheme } from './lib/theme.ts';

applyTheme();
