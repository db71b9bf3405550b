// Seconds from opening an address in a new tab to the desktop's picture in it.

const PATIENCE = 30_000;

export async function untilPicture(context, url) {
  const page = await context.newPage();
  try {
    const since = performance.now();
    await page.goto(url, { waitUntil: 'commit' });
    await page.waitForFunction(hasPicture, undefined, { polling: 'raf', timeout: PATIENCE });
    return (performance.now() - since) / 1000;
  } finally {
    await page.close();
  }
}

/** Runs in the page: some canvas of a screen's size holds pixels that are neither clear nor black. */
function hasPicture() {
  for (const canvas of document.querySelectorAll('canvas')) {
    if (canvas.width < 200 || canvas.height < 200) continue;
    const picture = canvas.getContext('2d');
    let painted = 0;
    for (let at = 1; at <= 9; at += 1) {
      const x = Math.floor((canvas.width * at) / 10);
      const [r, g, b, a] = picture.getImageData(x, Math.floor((canvas.height * at) / 10), 1, 1).data;
      if (a > 0 && r + g + b > 0) painted += 1;
    }
    if (painted >= 7) return true;
  }
  return false;
}
