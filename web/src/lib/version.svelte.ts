// Whether the server is still the one that this page came from.

export class ServerVersion {
  /** Another version answers than the one whose page this is. */
  isOther = $state(false);
  /** A part of this page is not on the server any more. */
  lacksParts = $state(false);

  private readonly own: string;

  constructor(own: string) {
    this.own = own;
  }

  /** What an answer of the API says; an older server says nothing. */
  heard(version: string | undefined): void {
    if (version !== undefined) this.isOther = version !== this.own;
  }
}
