import { basename, dirname, resolve } from 'node:path';
import { nearest } from '../../config/diagnostics/words.js';
import { UserError } from '../../errors.js';
import type { Run } from './run.js';

/**
 * The run that a reference means: `latest`, the name of a pipeline (its latest run), `NAME/latest`, the id of a run or
 * the beginning of one with or without the name of its pipeline, or the path of its folder; each with `~N` behind it for the N-th before it.
 *
 * @param runs oldest first
 * @throws UserError `no-such-run` or `ambiguous-run`.
 */
export function findRun(reference: string, runs: readonly Run[]): Run {
  const [, base, back = '0'] = /^(.*?)(?:~(\d+))?$/s.exec(reference)!;
  const candidates = candidatesOf(base!, runs);
  if (candidates.length === 0) throw noSuchRun(reference, runs);
  if (candidates.length > 1 && !meansLatest(base!, runs)) throw ambiguous(reference, candidates);
  const last = runs.indexOf(candidates.at(-1)!);
  const line = back === '0' ? [] : before(candidates.at(-1)!, base!, runs.slice(0, last));
  const found = back === '0' ? candidates.at(-1) : line.at(-Number(back));
  if (found === undefined) throw noSuchRun(reference, runs);
  return found;
}

/** Runs that a filter takes in: all runs of a pipeline that it names, or all whose id begins as it says. */
export function matchingRuns(filter: string, runs: readonly Run[]): readonly Run[] {
  if (filter === 'latest' || filter.includes('~') || filter.endsWith('/latest')) return [findRun(filter, runs)];
  const ofPipeline = runs.filter((run) => nameOf(run) === filter);
  const found = ofPipeline.length > 0 ? ofPipeline : candidatesOf(filter, runs);
  if (found.length === 0) throw noSuchRun(filter, runs);
  return found;
}

function candidatesOf(base: string, runs: readonly Run[]): readonly Run[] {
  if (base === 'latest' || base === '') return runs.slice(-1);
  const named = runs.filter((run) => nameOf(run) === base.replace(/\/latest$/, ''));
  if (named.length > 0) return named;
  const exact = runs.filter(({ id, directory }) => id === base || directory === resolve(base));
  if (exact.length > 0) return exact;
  return runs.filter((run) => run.id.startsWith(base) || timeOf(run).startsWith(base));
}

const meansLatest = (base: string, runs: readonly Run[]): boolean =>
  runs.some((run) => nameOf(run) === base.replace(/\/latest$/, ''));

/** `latest~1` goes back among all runs, everything else among those of its pipeline. */
function before(run: Run, base: string, earlier: readonly Run[]): readonly Run[] {
  return base === 'latest' || base === '' ? earlier : earlier.filter((other) => nameOf(other) === nameOf(run));
}

const nameOf = ({ id }: Run): string => dirname(id);
const timeOf = ({ id }: Run): string => basename(id);

function noSuchRun(reference: string, runs: readonly Run[]): UserError {
  const names = [...new Set(runs.map(nameOf))];
  const near = nearest(reference.split('/')[0]!, names);
  return new UserError({
    code: 'no-such-run',
    usage: true,
    message: `There is no run ${reference}.`,
    remedy:
      runs.length === 0
        ? 'There are no runs yet: pipeline run FILE makes one.'
        : near === undefined
          ? 'pipeline status lists all runs.'
          : `Did you mean ${near}? pipeline status lists all runs.`,
  });
}

function ambiguous(reference: string, runs: readonly Run[]): UserError {
  const shown = runs.slice(-5).map(({ id }) => id);
  return new UserError({
    code: 'ambiguous-run',
    usage: true,
    message: `${reference} is the beginning of ${runs.length} runs: ${runs.length > shown.length ? '…, ' : ''}${shown.join(', ')}.`,
    remedy: 'Give more of it.',
  });
}

