// How sharp the picture is sent, chosen by the person or by how far away the server is.

/** noVNC's levels, 0 to 9: sharper, and packed smaller. */
export interface Level {
  quality: number;
  compression: number;
}

export type QualityChoice = 'auto' | 'sharp' | 'balanced' | 'light' | 'fixed';

const SHARP: Level = { quality: 9, compression: 2 };
const BALANCED: Level = { quality: 6, compression: 2 };
const LIGHT: Level = { quality: 2, compression: 7 };

const NEAR_MS = 20;
const FAR_MS = 120;

/** `roundTripMs` is `null` before the first measurement. `fixed` comes from the page's address. */
export function levelFor(choice: QualityChoice, roundTripMs: number | null, fixed: Level | null): Level {
  switch (choice) {
    case 'sharp':
      return SHARP;
    case 'balanced':
      return BALANCED;
    case 'light':
      return LIGHT;
    case 'fixed':
      return fixed ?? BALANCED;
    case 'auto':
      return automatic(roundTripMs);
  }
}

function automatic(roundTripMs: number | null): Level {
  if (roundTripMs === null) return BALANCED;
  if (roundTripMs <= NEAR_MS) return { quality: 8, compression: 1 };
  return roundTripMs <= FAR_MS ? BALANCED : { quality: 4, compression: 5 };
}

/** What the address asks for, when it asks for a level at all. */
export function fixedLevel(quality: number | null, compression: number | null): Level | null {
  if (quality === null && compression === null) return null;
  return { quality: quality ?? BALANCED.quality, compression: compression ?? BALANCED.compression };
}
