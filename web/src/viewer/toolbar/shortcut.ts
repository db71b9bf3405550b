// Ctrl+Alt+Shift, pressed and let go without another key, opens and closes the toolbar. The desktop
// sees the three keys as well: alone they mean nothing there.

const MODIFIERS = ['Control', 'Alt', 'Shift', 'Meta'];

/** Calls `act` for each use, until the returned function is called. */
export function onShortcut(act: () => void): () => void {
  let armed = false;

  const down = (event: KeyboardEvent) => {
    if (!MODIFIERS.includes(event.key)) armed = false;
    else if (event.ctrlKey && event.altKey && event.shiftKey) armed = true;
  };
  // Only when the last of them is up: a key let go elsewhere would stay pressed in the desktop.
  const up = (event: KeyboardEvent) => {
    if (!armed || event.ctrlKey || event.altKey || event.shiftKey) return;
    armed = false;
    setTimeout(act);
  };
  addEventListener('keydown', down, { capture: true });
  addEventListener('keyup', up, { capture: true });
  return () => {
    removeEventListener('keydown', down, { capture: true });
    removeEventListener('keyup', up, { capture: true });
  };
}
