// The name of this window towards the server: a new connection of the same window replaces the old
// one, a second window does not.

const KEY = 'deskway.viewer';

export function viewerId(): string {
  try {
    const kept = sessionStorage.getItem(KEY);
    // A duplicated tab gets a copy of the storage: the id is taken out while a page uses it.
    sessionStorage.removeItem(KEY);
    const id = kept ?? randomId();
    addEventListener('pagehide', () => sessionStorage.setItem(KEY, id));
    return id;
  } catch {
    return randomId(); // storage may be forbidden
  }
}

export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
