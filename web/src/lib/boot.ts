// What the server wrote into the page: who is signed in, where the pages live, which desktop is meant.

export interface Account {
  name: string;
  full_name: string;
  /** May see and stop everybody's desktops; left out by older servers. */
  is_admin?: boolean;
}

/** How the place calls itself, and its own links. */
export interface Brand {
  name: string;
  accent: string | null;
  notice: string | null;
  /** The address of a picture. */
  logo: string | null;
  links: { text: string; url: string }[];
}

export interface Boot {
  /** The path below which everything lives: `''` or `/desk`. */
  base: string;
  version: string;
  brand: Brand;
  account: Account | null;
  /** `alice` or `alice/work` on a viewer page. */
  desktop: string | null;
}

export function readBoot(): Boot {
  const text = document.getElementById('boot')?.textContent ?? '{}';
  const given = JSON.parse(text) as Partial<Boot>;
  return {
    base: given.base ?? '',
    version: given.version ?? '',
    brand: {
      accent: null,
      notice: null,
      logo: null,
      links: [],
      ...given.brand,
      name: given.brand?.name || 'Deskway',
    },
    account: given.account ?? null,
    desktop: given.desktop ?? null,
  };
}
