import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { html, renderSection, type Section } from '../pages/html.js';
import { headMarkup, type Site } from '../pages/page.js';
import { compareRuns, measureOf } from '../runner/runs/compare.js';
import type { RunList } from '../runner/runs/find-runs.js';
import type { Run } from '../runner/runs/run.js';
import { readResults, resultsName, sweepFolder } from '../runner/sweep/results.js';
import { comparisonPage } from './pages/comparison-page.js';
import { mostOverlaid } from './pages/curve-sections.js';
import { messagePage } from './pages/message-page.js';
import type { KnownPictures } from './pages/pictures-section.js';
import { type Head, liveParts, runPage } from './pages/run-page.js';
import { headlineFigure, readQuery, runsHead, runsPage, runsSection } from './pages/runs-page.js';
import type { Measures, RunsQuery } from './pages/runs-page.js';
import { sweepPage, sweepParts } from './pages/sweep-page.js';

/** Answer to an address. */
export interface Route {
  readonly page: () => Promise<string>;
  /** Current state of a page that changes while it is looked at. */
  readonly live?: () => Promise<LiveState | undefined>;
}

/** Live pages look each second: those of one second share a look. */
const sharedForMs = 900;

const site: Site = { links: [{ href: '/', label: 'All runs' }] };
const liveSite: Site = { ...site, isLive: true };

/** Pictures of sweeps that were looked at, by the sweep's name: to put them together takes longer than all else. */
const picturesOf = new Map<string, KnownPictures>();
const newPictures = (): KnownPictures => new Map();

/** Meanings of the figures of runs, by folder and stage: they do not change, and to find one out reads a configuration. */
const measured = new Map<string, string>();

/** Meanings of the headline figures of runs, where the order asked for depends on them. */
async function measuresOf(runs: readonly Run[], { sort }: RunsQuery): Promise<Measures> {
  const measures = new Map<Run, string>();
  if (sort !== 'best') return measures;
  for (const run of runs) {
    const judged = headlineFigure(run);
    if (judged === undefined) continue;
    const key = JSON.stringify([run.directory, judged.stage, judged.name]);
    const measure = measured.get(key) ?? (await measureOf(run, judged));
    measured.set(key, measure);
    measures.set(run, measure);
  }
  return measures;
}

/** The page of all runs, with links to the sweeps of their pipelines. */
function front(runs: readonly Run[], runsRoot: string): Site {
  const pipelines = [...new Set(runs.map(pipelineOf))];
  const swept = pipelines.filter((name) => existsSync(join(sweepFolder(runsRoot, name), resultsName)));
  const links = swept.map((name) => ({
    href: `/sweeps/${encodeURIComponent(name)}`,
    label: `Sweep of ${name}`,
  }));
  return { links, isLive: true };
}

const pipelineOf = ({ id }: Run): string => id.slice(0, id.lastIndexOf('/'));

/**
 * Finds what an address leads to; undefined where it leads to nothing. Runs are looked up among those that there are,
 * so that no path of the file system is ever made from an address.
 */
export async function routeOf(
  { pathname, searchParams }: URL,
  runsRoot: string,
  list: RunList,
): Promise<Route | undefined> {
  if (pathname === '/') {
    const query = readQuery(searchParams);
    if (query === undefined) return undefined;
    return {
      page: async () => {
        const runs = await list.all();
        const measures = await measuresOf(runs, query);
        return runsPage({ runs, problems: list.problems }, query, front(runs, runsRoot), measures);
      },
      live: async () => {
        const runs = await list.all(sharedForMs);
        return {
          head: runsHead(runs),
          sections: [runsSection(runs, query, await measuresOf(runs, query))],
          version: '',
        };
      },
    };
  }
  if (pathname === '/compare') {
    const ids = new Set(searchParams.getAll('run'));
    const runs = (await list.all()).filter(({ id }) => ids.has(id)).slice(-mostOverlaid);
    if (runs.length !== Math.min(ids.size, mostOverlaid)) return undefined;
    if (runs.length < 2) return { page: async () => tooFewPage(runs[0], await list.all()) };
    return { page: async () => comparisonPage(await compareRuns(runs), site, ids.size) };
  }
  const swept = nameOfSweep(pathname);
  if (swept !== undefined) {
    // Only a pipeline that there are runs of: no path is made from an address.
    const name = (await list.all()).map(pipelineOf).find((pipeline) => pipeline === swept);
    const known = picturesOf.get(swept) ?? newPictures();
    const read = async () => readResults(join(sweepFolder(runsRoot, name ?? ''), resultsName));
    const results = name && (await read());
    if (!results) return undefined;
    return {
      page: () => {
        picturesOf.set(swept, known);
        return sweepPage(results, { known, site: results.underWay === true ? liveSite : site });
      },
      live: async () => {
        const now = await read();
        if (now === undefined) return undefined;
        const parts = await sweepParts(now, { known });
        return { ...parts, version: [now.underWay, ...parts.sections.map(({ id }) => id)].join() };
      },
    };
  }
  const id = runIdOf(pathname);
  const run = id === undefined ? undefined : await list.find(id);
  if (id === undefined || run === undefined) return undefined;
  return {
    page: () => runPage(run, run.state === 'running' ? liveSite : site),
    live: async () => {
      const now = await list.find(id);
      if (now === undefined) return undefined;
      const parts = await liveParts(now);
      return { ...parts, version: versionOf(now, parts.sections) };
    },
  };
}

/** A page for who ticked less than two runs: what to do, or the comparison that was perhaps meant. */
function tooFewPage(run: Run | undefined, all: readonly Run[]): string {
  const before =
    run &&
    all
      .slice(
        0,
        all.findIndex(({ id }) => id === run.id),
      )
      .findLast((other) => pipelineOf(other) === pipelineOf(run));
  const query = [before, run].map((each) => `run=${encodeURIComponent(each?.id ?? '')}`).join('&');
  return messagePage(
    run === undefined ? 'No run was ticked' : 'Only one run was ticked',
    'A comparison needs two or more: tick their boxes in the list, then press Compare.',
    html`${before && html`<p><a href="/compare?${query}">Compare ${run.id} with the run before it</a></p>`}
      <p><a href="/">All runs</a></p>`,
  );
}

function nameOfSweep(pathname: string): string | undefined {
  const [, name] = /^\/sweeps\/([^/]+)$/.exec(pathname) ?? [];
  try {
    return name && decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

function runIdOf(pathname: string): string | undefined {
  const match = /^\/runs\/([^/]+)\/([^/]+)$/.exec(pathname);
  if (match === null) return undefined;
  try {
    return `${decodeURIComponent(match[1]!)}/${decodeURIComponent(match[2]!)}`;
  } catch {
    return undefined;
  }
}

/** Changes when a stage begins or ends, or the run does, or there is something of another kind to see. */
function versionOf({ state, record }: Run, sections: readonly Section[]): string {
  const stages = Object.values(record.stages).map(({ status }) => status);
  return JSON.stringify([state, stages, sections.map(({ id }) => id)]);
}

/** Parts of a page that may have changed. */
interface LiveState {
  readonly head: Head;
  readonly sections: readonly Section[];
  /** Version of the page: when it changes the page is loaded anew, as it has got parts that it had not. */
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
