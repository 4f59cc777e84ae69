import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '../../../files/sha256-file.js';
import type { Wheel } from '../release.js';
import { continueDownload, sizeOf } from '../../../http/continue-download.js';
import { defaultPatience, HttpClient, withoutSecrets, type Patience } from '../../../http/http-client.js';
import { findInIndex } from './package-index.js';
import { readIndexSettings } from './pip-configuration.js';
import { defaultRetryPolicy, retry, rootMessage, type RetryPolicy } from '../../../http/retry.js';
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
      await continueDownload(http, address, partial, {
        bytes: wheel.bytes,
        signal,
        reach: (bytes) => {
          reached = bytes;
          context.report({ type: 'progress', label: wheel.filename, done: bytes, total: wheel.bytes });
        },
      });
    },
    () => reached,
    policy,
    signal,
  );
  const path = join(context.downloads, wheel.filename);
  await rename(partial, path);
  return path;
}

/** A whole file with another content than the wheel's cannot be continued. */
async function dropIfWrong(partial: string, wheel: Wheel, signal: AbortSignal | undefined): Promise<void> {
  const bytes = await sizeOf(partial);
  if (bytes < wheel.bytes) return;
  if (bytes > wheel.bytes || (await sha256OfFile(partial, signal)) !== wheel.sha256) await rm(partial);
}
