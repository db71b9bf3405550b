// The texts of the reader's language. English is complete; a language is one more file beside it.

import { en, type Texts } from './en.ts';

const LANGUAGES: Record<string, Texts> = { en };

export const t: Texts = LANGUAGES[document.documentElement.lang] ?? en;
