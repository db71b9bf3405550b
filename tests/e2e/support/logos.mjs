// Pictures for tests of brands.

/** A ring in that colour; its script would say that it runs. */
export function logoSvg(colour) {
  return `<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 24" width="48" height="24">
  <script>document.title = 'it runs'</script>
  <circle cx="12" cy="12" r="9" fill="none" stroke="${colour}" stroke-width="4"/>
  <circle cx="36" cy="12" r="9" fill="${colour}"/>
</svg>`;
}

/** One grey dot. */
export const LOGO_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==',
  'base64',
);
