import { open, stat } from 'node:fs/promises';
import type { Response } from 'undici';
import { type HttpClient, RefusedError } from './http-client.js';

export interface DownloadFacts {
  /** Size of the whole file: a server that says otherwise serves another one. */
  readonly bytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  /** Told how many bytes of the file are there. */
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
  const file = await open(partial, start === 0 ? 'w' : 'r+');
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

/** Size of a file; 0 where there is none. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
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
