import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '../../base/files.js';
import {
  continueDownload,
  defaultPatience,
  defaultRetryPolicy,
  HttpClient,
  type Patience,
  retry,
  type RetryPolicy,
  rootMessage,
  withoutSecrets,
} from '../../base/http.js';
import { sizeOf } from '../../base/output-file.js';
import { readIndexSettings } from './pip.js';
import type { Wheel } from './release.js';
import { type FetchContext, partialName, type WheelSource } from './wheel-source.js';

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

const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';

/**
 * The address of a wheel according to a Python package index (its simple API: PEP 691 as JSON, or PEP 503 as HTML).
 *
 * @throws Error when the index cannot be read or does not have the wheel.
 */
async function findInIndex(
  http: HttpClient,
  index: string,
  wheel: Wheel,
  signal: AbortSignal | undefined,
): Promise<string> {
  const response = await http.get(`${index}/${wheel.package}/`, { accept }, signal);
  const body = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  const link = isJson ? linkInJson(body, wheel.filename) : linkInHtml(body, wheel.filename);
  if (link === undefined) throw new Error(`it does not list ${wheel.filename}`);
  return new URL(link, response.url).href;
}

function linkInJson(body: string, filename: string): string | undefined {
  const page = JSON.parse(body) as { files?: { filename: string; url: string }[] };
  return page.files?.find((file) => file.filename === filename)?.url;
}

function linkInHtml(body: string, filename: string): string | undefined {
  for (const [, quoted, apostrophed] of body.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)) {
    const link = (quoted ?? apostrophed ?? '').replaceAll('&amp;', '&');
    if (decodeURIComponent(link.split(/[?#]/)[0]!.split('/').at(-1)!) === filename) return link;
  }
  return undefined;
}
