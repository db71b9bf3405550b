// What admins see and do, as the API tells it.

import { desktopPath, type Api } from '../lib/api.ts';
import type { Desktop } from '../lib/desktop.ts';

export interface AdminDesktop extends Desktop {
  /** Bytes; `null` where the machine does not tell. */
  memory: number | null;
  memory_max: number | null;
  /** Thousandths of a core. */
  cpu: number | null;
  processes: number | null;
  /** Bytes through the gateway since that began. */
  received: number;
  sent: number;
  watching: Watching[];
}

export interface Watching {
  account: string;
  address: string;
  /** Seconds since 1970. */
  since: number;
  view_only: boolean;
}

export interface SignIn {
  address: string;
  since: number;
  until: number;
}

export interface Person {
  account: string;
  full_name: string;
  is_admin: boolean;
  sign_ins: SignIn[];
}

export interface DesktopsAnswer {
  desktops: AdminDesktop[];
}

export interface PeopleAnswer {
  people: Person[];
}

/** What the live news say of the desktops that changed since the last. */
export interface Changes {
  desktops: AdminDesktop[];
  gone: string[];
}

export type Act = 'start' | 'stop' | 'freeze' | 'thaw';

/** Most characters of a message. */
export const MAX_MESSAGE = 500;

export class AdminApi {
  private readonly api: Api;

  constructor(api: Api) {
    this.api = api;
  }

  get eventsUrl(): string {
    return this.api.url('/admin/events');
  }

  desktops(): Promise<DesktopsAnswer> {
    return this.api.call('GET', '/admin/desktops');
  }

  people(): Promise<PeopleAnswer> {
    return this.api.call('GET', '/admin/people');
  }

  act(id: string, what: Act): Promise<AdminDesktop> {
    return this.api.call('POST', `/admin${desktopPath(id)}/${what}`);
  }

  message(id: string, text: string): Promise<void> {
    return this.api.call('POST', `/admin${desktopPath(id)}/message`, { text });
  }

  /** Ends all of somebody's sign-ins. */
  endSignIns(account: string): Promise<void> {
    return this.api.call('POST', `/admin/people/${encodeURIComponent(account)}/end`);
  }
}
