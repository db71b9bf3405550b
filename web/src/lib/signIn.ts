// Leaving for the sign-in page, and the way back.

export function goToSignIn(base: string): void {
  const next = location.pathname + location.search + location.hash;
  location.assign(`${base}/sign-in?next=${encodeURIComponent(next)}`);
}
