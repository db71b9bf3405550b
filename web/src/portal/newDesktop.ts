// The rules of a further desktop: names and sizes.

export const SIZES: readonly { id: string; text: string; geometry: [number, number] }[] = [
  { id: '1280x800', text: '1280 × 800', geometry: [1280, 800] },
  { id: '1920x1080', text: '1920 × 1080', geometry: [1920, 1080] },
  { id: '2560x1440', text: '2560 × 1440', geometry: [2560, 1440] },
];

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;

export function nameProblem(name: string, taken: string[]): 'none' | 'bad' | 'taken' {
  if (!NAME.test(name)) return 'bad';
  return taken.includes(name) ? 'taken' : 'none';
}

/** `work`, then `desktop-2` and so on. */
export function firstFreeName(taken: string[]): string {
  if (!taken.includes('work')) return 'work';
  for (let n = 2; ; n++) {
    if (!taken.includes(`desktop-${n}`)) return `desktop-${n}`;
  }
}
