import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Who may ask for pages: whoever came with the address that was printed, from a page or tab of this machine. */
export class Access {
  /** Part of the printed address. 256 bits. */
  readonly token = randomBytes(32).toString('base64url');
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /**
   * Whether the request was sent to this server by its own name. A page elsewhere whose name was made to mean 127.0.0.1
   * (DNS rebinding) sends its own name here.
   */
  isForUs({ headers }: IncomingMessage): boolean {
    return this.#names.some((name) => headers.host === name);
  }

  /** Whether a page of another site has the browser ask, as far as it tells. */
  isFromElsewhere({ headers: { origin } }: IncomingMessage): boolean {
    return origin !== undefined && !this.#names.some((name) => origin === `http://${name}`);
  }

  get #names(): readonly string[] {
    return [`127.0.0.1:${this.#port}`, `localhost:${this.#port}`];
  }

  /** Whether the request brings the cookie that the printed address gave. */
  isKnown({ headers }: IncomingMessage): boolean {
    const prefix = `${this.#cookieName}=`;
    const cookies = (headers.cookie ?? '').split(/;\s*/).filter((cookie) => cookie.startsWith(prefix));
    return cookies.some((cookie) => this.isToken(cookie.slice(prefix.length)));
  }

  /** Compares in a time that does not depend on how much of the token is right. */
  isToken(candidate: string): boolean {
    const [given, own] = [Buffer.from(candidate), Buffer.from(this.token)];
    return given.length === own.length && timingSafeEqual(given, own);
  }

  get cookie(): string {
    return `${this.#cookieName}=${this.token}; HttpOnly; SameSite=Strict; Path=/`;
  }

  /** Browsers send cookies to every port of a host: servers beside each other need names of their own. */
  get #cookieName(): string {
    return `pipeline-ui-${this.#port}`;
  }
}
