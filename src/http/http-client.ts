import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { EnvHttpProxyAgent, fetch, type Response } from 'undici';

/** No limit on how long a download takes, only on how long nothing may come. */
export interface Patience {
  readonly connectMilliseconds: number;
  readonly stallMilliseconds: number;
}

export const defaultPatience: Patience = { connectMilliseconds: 30_000, stallMilliseconds: 60_000 };

/** A response that says the server will not serve this, however often it is asked. */
export class RefusedError extends Error {
  constructor(
    message: string,
    /** The status of the response, where that is the reason. */
    readonly status?: number,
  ) {
    super(message);
  }
}

/** Requests over HTTP that go through `HTTPS_PROXY`, trust extra certificates and send the credentials an address names. */
export class HttpClient {
  readonly #agent: EnvHttpProxyAgent;
  readonly #credentials = new Map<string, string>();

  constructor(env: NodeJS.ProcessEnv, certificates: readonly string[], patience = defaultPatience) {
    const ca = trusted(certificates);
    const tls = { timeout: patience.connectMilliseconds, ...(ca === undefined ? {} : { ca }) };
    const httpProxy = env.http_proxy ?? env.HTTP_PROXY ?? '';
    const httpsProxy = env.https_proxy ?? env.HTTPS_PROXY ?? '';
    this.#agent = new EnvHttpProxyAgent({
      ...(httpProxy === '' ? {} : { httpProxy }),
      ...(httpsProxy === '' ? {} : { httpsProxy }),
      noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
      connect: tls,
      requestTls: tls,
      headersTimeout: patience.stallMilliseconds,
      bodyTimeout: patience.stallMilliseconds,
    });
  }

  /**
   * @throws RefusedError for a status that a repetition does not mend; Error for one that it may, and for a network that fails.
   */
  async get(
    address: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const url = this.#withoutCredentials(address);
    const authorization = this.#credentials.get(url.host);
    const response = await fetch(url, {
      dispatcher: this.#agent,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
      signal: signal ?? null,
    });
    if (response.ok) return response;
    await response.body?.cancel();
    const message = `${url.host} answers ${response.status} ${response.statusText}`.trim();
    const mayPass = response.status >= 500 || [408, 425, 429].includes(response.status);
    throw mayPass
      ? new Error(message, { cause: { status: response.status } })
      : new RefusedError(message, response.status);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Remembers the credentials of an index for the files on the same host. */
  #withoutCredentials(address: string): URL {
    const url = new URL(address);
    if (url.username !== '') {
      const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      this.#credentials.set(url.host, `Basic ${Buffer.from(pair).toString('base64')}`);
      url.username = '';
      url.password = '';
    }
    return url;
  }
}

/** An address fit to be shown: without a name and password in it. */
export function withoutSecrets(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//');
}

/** Undefined leaves the choice to Node. */
function trusted(certificates: readonly string[]): string[] | undefined {
  const extra = certificates.flatMap((path) => {
    try {
      return [readFileSync(path, 'utf8')];
    } catch {
      return [];
    }
  });
  return extra.length === 0 ? undefined : [...rootCertificates, ...extra];
}
