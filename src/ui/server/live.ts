import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Head } from '../pages/run-page.js';
import { headMarkup } from '../../stages/report/page.js';
import { type Section, renderSection } from '../../stages/report/sections/section.js';

/** What of a page may have changed. */
export interface LiveState {
  readonly head: Head;
  readonly sections: readonly Section[];
  /** When this changes the page is loaded anew: it has got parts that it had not. */
  readonly version: string;
}

const everyMilliseconds = 1000;

/**
 * Sends the parts of a page whenever they change, as server-sent events, until the reader leaves or `signal` aborts.
 *
 * @param look gives the present state; undefined where the page is no more
 */
export async function sendLive(
  response: ServerResponse,
  look: () => Promise<LiveState | undefined>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  const left = new AbortController();
  response.on('close', () => {
    left.abort();
  });
  const over = AbortSignal.any([signal, left.signal]);
  const sent = new Map<string, string>();
  let version: string | undefined;
  while (!over.aborted) {
    const state = await look();
    if (state === undefined) break;
    if (version !== undefined && state.version !== version) send(response, 'reload', {});
    version = state.version;
    const parts = [
      ['head', headMarkup(state.head).text] as const,
      ...state.sections.map((section) => [section.id, renderSection(section).text] as const),
    ];
    for (const [id, markup] of parts) {
      const digest = createHash('sha256').update(markup).digest('base64');
      if (sent.get(id) === digest) continue;
      sent.set(id, digest);
      send(response, 'part', { id, markup });
    }
    await sleep(everyMilliseconds, undefined, { signal: over }).catch(() => undefined);
  }
  response.end();
}

function send(response: ServerResponse, event: string, data: object): void {
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
