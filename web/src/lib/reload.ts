// Loading the page anew, by itself and never in circles.

const KEY = 'deskway.reloaded';
/** A page that lacks something so soon after it was loaded anew lacks it for another reason. */
const ONCE_IN_MS = 60_000;

/** Whether the page is being loaded anew: not when that was done a moment ago. */
export function reloadOnce(now = Date.now()): boolean {
  try {
    const last = Number(sessionStorage.getItem(KEY) ?? 0);
    if (now - last < ONCE_IN_MS) return false;
    sessionStorage.setItem(KEY, String(now));
  } catch {
    return false; // without memory it could go on for ever
  }
  location.reload();
  return true;
}

/** Whether the server answers at all. */
export async function answers(base: string): Promise<boolean> {
  try {
    const response = await fetch(`${base}/healthz`, { cache: 'no-store', signal: AbortSignal.timeout(5_000) });
    return response.ok;
  } catch {
    return false;
  }
}
