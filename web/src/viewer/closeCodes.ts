// What the bridge's close codes mean for the page.

export type EndCause = 'stopped' | 'crashed' | 'logged_out' | 'denied' | 'replaced' | 'full';

export type Closing =
  /** It is over until the person acts. */
  | { kind: 'ended'; cause: EndCause }
  | { kind: 'signed_out' }
  /** The server said that it will be back at once. */
  | { kind: 'restarting' }
  /** The server is there, the desktop cannot be reached. */
  | { kind: 'unreachable' }
  /** The desktop runs and says nothing. */
  | { kind: 'silent' }
  | { kind: 'dropped' };

export function meaningOf(code: number): Closing {
  switch (code) {
    case 4001:
      return { kind: 'ended', cause: 'stopped' };
    case 4002:
      return { kind: 'ended', cause: 'crashed' };
    case 4003:
      return { kind: 'ended', cause: 'logged_out' };
    case 4401:
      return { kind: 'signed_out' };
    case 4403:
      return { kind: 'ended', cause: 'denied' };
    case 4408:
      return { kind: 'silent' };
    case 4409:
      return { kind: 'ended', cause: 'replaced' };
    case 4429:
      return { kind: 'ended', cause: 'full' };
    case 1012:
      return { kind: 'restarting' };
    case 1011:
      return { kind: 'unreachable' };
    default:
      return { kind: 'dropped' };
  }
}
