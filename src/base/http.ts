import { setTimeout as sleep } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import { EnvHttpProxyAgent, fetch, type RequestInit, type Response } from 'undici';
import { openFile, readWholeTextSync } from './files.js';
import { sizeOf } from './output-file.js';

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
    /** Name that the server gives to the error, where Hugging Face or a mirror does. */
    readonly reason?: string,
  ) {
    super(message);
  }
}

/** Requests over HTTP that go through `HTTPS_PROXY`, trust extra certificates and send the credentials an address names. */
export class HttpClient {
  private readonly agent: EnvHttpProxyAgent;
  private readonly credentials = new Map<string, string>();

  constructor(env: NodeJS.ProcessEnv, certificates: readonly string[], patience = defaultPatience) {
    const ca = trusted(certificates);
    const tls = { timeout: patience.connectMilliseconds, ...(ca === undefined ? {} : { ca }) };
    const httpProxy = env.http_proxy ?? env.HTTP_PROXY ?? '';
    const httpsProxy = env.https_proxy ?? env.HTTPS_PROXY ?? '';
    this.agent = new EnvHttpProxyAgent({
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
    const url = this.withoutCredentials(address);
    const authorization = this.credentials.get(url.host);
    const response = await fetch(url, {
      dispatcher: this.agent,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
      signal: signal ?? null,
    });
    if (response.ok) return response;
    await response.body?.cancel();
    const message = `${url.host} answers ${response.status} ${response.statusText}`.trim();
    const mayPass = response.status >= 500 || [408, 425, 429].includes(response.status);
    throw mayPass
      ? new Error(message, { cause: { status: response.status } })
      : new RefusedError(message, response.status, response.headers.get('x-error-code') ?? undefined);
  }

  /** The function `fetch` through the same proxy and with the same certificates, for libraries that ask for one. */
  readonly fetch = ((input: string | URL, init?: RequestInit) =>
    fetch(input, { ...init, dispatcher: this.agent })) as unknown as typeof globalThis.fetch;

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  /** Remembers the credentials of an index for the files on the same host. */
  private withoutCredentials(address: string): URL {
    const url = new URL(address);
    if (url.username !== '') {
      const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      this.credentials.set(url.host, `Basic ${Buffer.from(pair).toString('base64')}`);
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

/** Certificates to trust; undefined leaves the choice to Node. */
function trusted(certificates: readonly string[]): string[] | undefined {
  const extra = certificates.flatMap((path) => {
    try {
      return [readWholeTextSync(path)];
    } catch {
      return [];
    }
  });
  return extra.length === 0 ? undefined : [...rootCertificates, ...extra];
}

export interface RetryPolicy {
  /** Attempts in a row without anything gained after which to give up. */
  readonly attempts: number;
  /** Wait after the first failure; it doubles with each further one. */
  readonly firstWaitMilliseconds: number;
  readonly longestWaitMilliseconds: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 6,
  firstWaitMilliseconds: 1000,
  longestWaitMilliseconds: 30_000,
};

/** Attempts without any network: repeating for long would only keep people waiting. */
const attemptsWithoutNetwork = 3;
const noNetwork = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH'];

/**
 * Repeats `attempt` until it succeeds, waiting longer each time. `gained` tells how much has been reached: as long as it
 * grows, failures are counted anew.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  gained: () => number,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let failures = 0, best = gained(); ;) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RefusedError || isOfTheDisk(error)) throw error;
      failures = gained() > best ? 1 : failures + 1;
      best = Math.max(best, gained());
      const limit = hasNoNetwork(error) ? Math.min(attemptsWithoutNetwork, policy.attempts) : policy.attempts;
      if (failures >= limit) throw error;
      const wait = policy.firstWaitMilliseconds * 2 ** (failures - 1);
      await sleep(
        Math.min(wait, policy.longestWaitMilliseconds),
        undefined,
        signal === undefined ? {} : { signal },
      );
    }
  }
}

/** The reason at the bottom of a failed request, such as `getaddrinfo ENOTFOUND pypi.org`. */
export function rootMessage(error: unknown): string {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return rootMessage(cause);
  if (error instanceof AggregateError && error.errors.length > 0) return rootMessage(error.errors[0]);
  return error instanceof Error ? error.message || codeOf(error) : String(error);
}

function hasNoNetwork(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  return noNetwork.includes(codeOf(error)) || (cause !== undefined && hasNoNetwork(cause));
}

function isOfTheDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS'].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null | undefined)?.code ?? '';
}

interface DownloadFacts {
  /** Size of the whole file: a server that says otherwise serves another one. */
  readonly bytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  /** Callback with the number of bytes of the file that are there. */
  readonly reach: (bytes: number) => void;
}

/**
 * Downloads what is missing at the end of `partial`. Positions are explicit, so that a second writer of the same bytes
 * does no harm.
 *
 * @throws RefusedError where the server has a file of another size; Error where the connection ends early
 */
export async function continueDownload(
  http: HttpClient,
  address: string,
  partial: string,
  { bytes, headers, signal, reach }: DownloadFacts,
): Promise<void> {
  const start = await sizeOf(partial);
  const range: Record<string, string> = start === 0 ? {} : { range: `bytes=${start}-` };
  const response = await http.get(address, { 'accept-encoding': 'identity', ...headers, ...range }, signal);
  await refuseOtherSize(response, bytes);
  const continues = response.headers.get('content-range')?.startsWith(`bytes ${start}-`) === true;
  let position = continues ? start : 0;
  const file = await openFile(partial, start === 0 ? 'w' : 'r+');
  try {
    if (!continues) await file.truncate(0);
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      if (position + chunk.byteLength > bytes) throw otherSize(`more than ${bytes} bytes`, bytes);
      for (let offset = 0; offset < chunk.byteLength;) {
        offset += (await file.write(chunk, offset, chunk.byteLength - offset, position + offset))
          .bytesWritten;
      }
      position += chunk.byteLength;
      reach(position);
    }
  } finally {
    await file.close();
  }
  if (position < bytes) throw new Error(`the connection ended after ${position} of ${bytes} bytes`);
}

/** A page of a captive portal, or another file under the same name. */
async function refuseOtherSize({ headers, body }: Response, bytes: number): Promise<void> {
  const size = headers.get('content-range')?.split('/')[1] ?? headers.get('content-length');
  if (size === null || size === '*' || Number(size) === bytes) return;
  await body?.cancel();
  throw otherSize(`${size} bytes`, bytes);
}

function otherSize(size: string, bytes: number): RefusedError {
  return new RefusedError(`it serves a file of ${size} in place of ${bytes}`);
}
