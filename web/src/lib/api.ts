// The server's JSON API. Every call answers with data or throws an `ApiError` fit to be shown.

import { splitId, type Desktop, type DesktopList } from './desktop.ts';

export type ErrorCode =
  | 'signed_out'
  | 'not_found'
  | 'refused'
  | 'busy'
  | 'bad_request'
  | 'too_many'
  | 'unavailable'
  | 'failed'
  | 'unreachable';

export class ApiError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** How long an answer may take before the server counts as unreachable. */
const ANSWER_TIMEOUT_MS = 10_000;

export interface StartWish {
  profile: string | null;
  geometry: [number, number] | null;
}

export class Api {
  private readonly root: string;
  private readonly unreachable: string;

  /** `unreachable` is the sentence for a server that does not answer. */
  constructor(base: string, unreachable: string) {
    this.root = `${base}/api/v1`;
    this.unreachable = unreachable;
  }

  get eventsUrl(): string {
    return this.url('/events');
  }

  url(path: string): string {
    return this.root + path;
  }

  desktops(): Promise<DesktopList> {
    return this.call('GET', '/desktops');
  }

  start(id: string, wish: StartWish): Promise<Desktop> {
    return this.call('POST', `${desktopPath(id)}/start`, wish);
  }

  stop(id: string): Promise<Desktop> {
    return this.call('POST', `${desktopPath(id)}/stop`);
  }

  restart(id: string): Promise<Desktop> {
    return this.call('POST', `${desktopPath(id)}/restart`);
  }

  /** It is in use, whatever it looks like. */
  keep(id: string): Promise<Desktop> {
    return this.call('POST', `${desktopPath(id)}/keep`);
  }

  signOut(): Promise<void> {
    return this.call('POST', '/sign-out');
  }

  setUp(token: string, name: string, password: string): Promise<void> {
    return this.call('POST', '/set-up', { token, name, password });
  }

  /** `path` below the API's root. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let response: Response;
    try {
      response = await fetch(this.root + path, {
        method,
        credentials: 'same-origin',
        cache: 'no-store',
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
        ...(body === undefined
          ? {}
          : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
      });
    } catch {
      throw new ApiError('unreachable', this.unreachable);
    }
    if (response.status === 204) return undefined as T;
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok && answer !== null) return answer as T;
    throw errorFrom(response.status, answer, this.unreachable);
  }
}

export function desktopPath(id: string): string {
  const { owner, name } = splitId(id);
  return `/desktops/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;
}

function errorFrom(status: number, answer: unknown, fallback: string): ApiError {
  const told = (answer as { error?: { code?: ErrorCode; message?: string } } | null)?.error;
  const code = told?.code ?? (status === 401 ? 'signed_out' : 'unreachable');
  return new ApiError(code, told?.message || fallback);
}
