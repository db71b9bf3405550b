// The text clipboard, both ways: as far as the browser allows by itself, else through a text field.

type Paste = (text: string) => void;

/** More text than this is not passed on by the X server either. */
const MAX_CHARACTERS = 262_144;

export class SharedClipboard {
  /** The text on the desktop's clipboard, as far as known. */
  text = $state('');
  /** Whether this machine's clipboard is read without asking again. */
  shared = $state(false);
  denied = $state(false);
  readonly canRead = typeof navigator.clipboard?.readText === 'function';

  private readonly paste: Paste;

  constructor(paste: Paste) {
    this.paste = paste;
    void this.learnPermission();
  }

  /** Something was copied in the desktop. */
  receive(text: string): void {
    this.text = text;
    // Refused while the window has no focus: the text field has it all the same.
    navigator.clipboard?.writeText(text).catch(() => undefined);
  }

  /** The person wrote into the text field. */
  write(text: string): void {
    this.text = text.slice(0, MAX_CHARACTERS);
    this.paste(this.text);
  }

  /** On the person's wish: the browser may ask them now. */
  async share(): Promise<void> {
    try {
      this.write(await navigator.clipboard.readText());
      this.shared = true;
      this.denied = false;
    } catch {
      this.denied = true;
    }
  }

  /** The window has the focus again: what was copied elsewhere can be pasted in the desktop. */
  async refresh(): Promise<void> {
    if (!this.shared || !document.hasFocus()) return;
    const text = await navigator.clipboard.readText().catch(() => this.text);
    if (text && text !== this.text) this.write(text);
  }

  private async learnPermission(): Promise<void> {
    try {
      const status = await navigator.permissions.query({ name: 'clipboard-read' as PermissionName });
      const learn = () => (this.shared = this.canRead && status.state === 'granted');
      status.addEventListener('change', learn);
      learn();
    } catch {
      // This browser has no such permission; it asks each time.
    }
  }
}
