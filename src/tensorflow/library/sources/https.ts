import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Response } from 'undici';
import { sha256OfFile } from '../../../files/sha256-file.js';
import type { Wheel } from '../release.js';
import { defaultPatience, HttpClient, RefusedError, withoutSecrets, type Patience } from './http-client.js';
import { findInIndex } from './package-index.js';
import { readIndexSettings } from './pip-configuration.js';
import { defaultRetryPolicy, retry, rootMessage, type RetryPolicy } from './retry.js';
import { partialName, type FetchContext, type WheelSource } from './wheel-source.js';

/** Straight from each package index that the environment names, continuing what an interrupted download left. */
export function packageIndexes(
  env: NodeJS.ProcessEnv,
  policy: RetryPolicy = defaultRetryPolicy,
  patience: Patience = defaultPatience,
): WheelSource[] {
  const { indexes, certificates } = readIndexSettings(env);
  return indexes.map((index) => ({
    name: withoutSecrets(index),
    async fetch(wheel, context) {
      const http = new HttpClient(env, certificates, patience);
      try {
        return { path: await download(http, index, wheel, context, policy), ours: true };
      } catch (error) {
        context.signal?.throwIfAborted();
        throw new Error(rootMessage(error), { cause: error });
      } finally {
        await http.close();
      }
    },
  }));
}

async function download(
  http: HttpClient,
  index: string,
  wheel: Wheel,
  context: FetchContext,
  policy: RetryPolicy,
): Promise<string> {
  const { signal } = context;
  await mkdir(context.downloads, { recursive: true });
  const partial = join(context.downloads, partialName(wheel));
  await dropIfWrong(partial, wheel, signal);
  let reached = await sizeOf(partial);
  await retry(
    async () => {
      if (reached >= wheel.bytes) return;
      const address = await findInIndex(http, index, wheel, signal);
      await append(http, address, partial, wheel, context, (bytes) => (reached = bytes));
    },
    () => reached,
    policy,
    signal,
  );
  const path = join(context.downloads, wheel.filename);
  await rename(partial, path);
  return path;
}

/** Continues `partial` at its end. Positions are explicit, so that a second writer of the same bytes does no harm. */
async function append(
  http: HttpClient,
  address: string,
  partial: string,
  wheel: Wheel,
  { report, signal }: FetchContext,
  reach: (bytes: number) => void,
): Promise<void> {
  const start = await sizeOf(partial);
  const range: Record<string, string> = start === 0 ? {} : { range: `bytes=${start}-` };
  const response = await http.get(address, { 'accept-encoding': 'identity', ...range }, signal);
  refuseOtherSize(response, wheel);
  const continues = response.headers.get('content-range')?.startsWith(`bytes ${start}-`) === true;
  let position = continues ? start : 0;
  const file = await open(partial, start === 0 ? 'w' : 'r+');
  try {
    if (!continues) await file.truncate(0);
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      for (let offset = 0; offset < chunk.byteLength;) {
        offset += (await file.write(chunk, offset, chunk.byteLength - offset, position + offset))
          .bytesWritten;
      }
      position += chunk.byteLength;
      reach(position);
      report({ type: 'progress', label: wheel.filename, done: position, total: wheel.bytes });
    }
  } finally {
    await file.close();
  }
  if (position < wheel.bytes)
    throw new Error(`the connection ended after ${position} of ${wheel.bytes} bytes`);
}

/** A page of a captive portal, or another file under the same name. */
function refuseOtherSize({ headers }: Response, wheel: Wheel): void {
  const size = headers.get('content-range')?.split('/')[1] ?? headers.get('content-length');
  if (size === null || size === '*' || Number(size) === wheel.bytes) return;
  throw new RefusedError(`it serves a file of ${size} bytes in place of ${wheel.bytes}`);
}

/** A whole file with another content than the wheel's cannot be continued. */
async function dropIfWrong(partial: string, wheel: Wheel, signal: AbortSignal | undefined): Promise<void> {
  const bytes = await sizeOf(partial);
  if (bytes < wheel.bytes) return;
  if (bytes > wheel.bytes || (await sha256OfFile(partial, signal)) !== wheel.sha256) await rm(partial);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
