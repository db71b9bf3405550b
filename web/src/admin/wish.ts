// What an admin asks for, before it is confirmed or filled in.

import type { Act } from './adminApi.ts';

export type Wish = Act | 'message' | 'end' | 'details';
