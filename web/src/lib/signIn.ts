// Leaving for the sign-in page, and the way back.

const KEY = 'deskway.ended';

/** The sign-in is over: the sign-in page says so, and leads back here. */
export function goToSignIn(base: string): void {
  try {
    sessionStorage.setItem(KEY, '1');
  } catch {
    // Then it is not said.
  }
  const next = location.pathname + location.search + location.hash;
  location.assign(`${base}/sign-in?next=${encodeURIComponent(next)}`);
}

/** Whether this window comes from a page whose sign-in ended; told once. */
export function cameFromEnd(): boolean {
  try {
    const came = sessionStorage.getItem(KEY) !== null;
    sessionStorage.removeItem(KEY);
    return came;
  } catch {
    return false;
  }
}
