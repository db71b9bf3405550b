// The arrow keys in a table: from a row's control to the same control of another row. Only one row's
// controls are stops of the Tab key.

/** How many rows a page is. */
const PAGE = 10;

/** Heeds a key on one of the controls, which are marked with `data-control` in rows with `data-row`. */
export function moveByKey(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const control = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-control]') : null;
  const row = control?.closest('[data-row]');
  if (!control || !row) return;
  const rows = [...event.currentTarget.querySelectorAll('[data-row]:not([hidden])')];
  const at = rows.indexOf(row);
  const last = rows.length - 1;
  const to: Record<string, number> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + PAGE,
    PageUp: at - PAGE,
    Home: 0,
    End: last,
  };
  const next = to[event.key];
  if (next !== undefined) {
    event.preventDefault();
    focusControl(rows[Math.min(Math.max(next, 0), last)], control.dataset['control']);
  } else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
    const controls = [...row.querySelectorAll<HTMLElement>('[data-control]')];
    const beside = controls[controls.indexOf(control) + (event.key === 'ArrowRight' ? 1 : -1)];
    if (!beside) return;
    event.preventDefault();
    beside.focus();
  }
}

function focusControl(row: Element | undefined, name: string | undefined): void {
  row?.querySelector<HTMLElement>(`[data-control="${name}"]`)?.focus();
}
