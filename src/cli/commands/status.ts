import { setTimeout as sleep } from 'node:timers/promises';
import { Chalk } from 'chalk';
import { runsRootOf } from '../../runner/runs-root.js';
import { matchingRuns, scanRuns } from '../../runner/runs/find-runs.js';
import type { RunState } from '../../runner/run/events.js';
import type { Run } from '../../runner/runs/run.js';
import type { Json } from '../../runner/stage.js';
import { runColumns } from '../run-lines.js';
import { exitCodes, onInterrupt, say, type Services, shortPath, usesColor } from '../services.js';
import { formatTable } from '../table.js';
import { withoutEffect } from '../without-effect.js';

export interface StatusOptions {
  readonly state: readonly RunState[];
  readonly since?: Date;
  readonly last?: number;
  readonly watch?: boolean;
  readonly json?: boolean;
  readonly runs?: string;
}

const watchEveryMilliseconds = 1000;

/** `pipeline status`: lists runs, the latest last, so that it is next to the prompt. Gives the exit code. */
export async function status(
  filters: readonly string[],
  options: StatusOptions,
  services: Services,
): Promise<number> {
  const { stdout, stderr, env } = services;
  const runsRoot = runsRootOf(process.cwd(), options.runs, env);
  if (options.watch === true) {
    if (!stdout.isTTY) throw withoutEffect('--watch', 'what it draws over and over needs a terminal');
    return watch(async () => selectRuns((await scanRuns(runsRoot)).runs, filters, options), services);
  }
  const { runs: all, problems } = await scanRuns(runsRoot);
  for (const { message } of problems) say(stderr, `note: ${message}\n`);
  const runs = selectRuns(all, filters, options);
  if (options.json === true) stdout.write(`${JSON.stringify(runs.map(asJson))}\n`);
  else if (runs.length > 0) stdout.write(asTable(runs, services));
  else
    say(
      stdout,
      `${isFiltered(filters, options) ? 'No such runs' : 'No runs yet'} in ${shortPath(runsRoot)}.\n`,
    );
  return exitCodes.done;
}

function selectRuns(all: readonly Run[], filters: readonly string[], options: StatusOptions): readonly Run[] {
  const { state, since, last } = options;
  const named = new Set(filters.flatMap((filter) => matchingRuns(filter, all)));
  const chosen = all.filter(
    (run) =>
      (filters.length === 0 || named.has(run)) &&
      (state.length === 0 || state.includes(run.state)) &&
      (since === undefined || Date.parse(run.record.startedAt) >= since.getTime()),
  );
  return last === undefined ? chosen : chosen.slice(-last);
}

const isFiltered = (filters: readonly string[], { state, since }: StatusOptions): boolean =>
  filters.length > 0 || state.length > 0 || since !== undefined;

function asTable(runs: readonly Run[], { stdout, env }: Services): string {
  const chalk = new Chalk({ level: usesColor(stdout, env) ? 1 : 0 });
  return formatTable(runColumns(runs, chalk), stdout.isTTY ? stdout.columns : Infinity, chalk);
}

async function watch(select: () => Promise<readonly Run[]>, services: Services): Promise<number> {
  const { stdout, forceExit } = services;
  const { createLogUpdate } = await import('log-update');
  const live = createLogUpdate(stdout);
  const interrupts = onInterrupt(() => undefined, forceExit);
  try {
    while (!interrupts.signal.aborted) {
      const runs = await select();
      // What does not fit on the screen could not be drawn over.
      live(
        runs.length === 0 ? 'No such runs.' : asTable(runs.slice(-Math.max(1, stdout.rows - 2)), services),
      );
      await sleep(watchEveryMilliseconds, undefined, { signal: interrupts.signal }).catch(() => undefined);
    }
  } finally {
    live.done();
    interrupts.release();
  }
  return exitCodes.done;
}

/** A run for programs. */
export function asJson({
  id,
  directory,
  state,
  record,
  endedAt,
  seconds,
  stage,
  progress,
  beside,
  figures,
  note,
}: Run): Json {
  return {
    id,
    pipeline: record.pipeline,
    state,
    directory,
    file: record.file,
    host: record.host,
    pid: record.pid,
    startedAt: record.startedAt,
    endedAt: endedAt ?? null,
    seconds,
    stage: stage ?? null,
    progress: progress ? { ...progress } : null,
    beside: beside as unknown as Json,
    figures: figures.map((figure) => ({ ...figure })),
    note: note ? { name: note.name ?? null, tags: note.tags, text: note.text ?? null } : null,
    options: record.options as unknown as Json,
    stages: record.stages as unknown as Json,
  };
}
