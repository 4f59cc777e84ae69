import { Chalk } from 'chalk';
import { UserError } from '../../base/errors.js';
import { formatDuration } from '../../base/format.js';
import { shortNames } from '../../base/short-names.js';
import { apartSentences } from '../../pages/apart-sentences.js';
import { bestMark, figure } from '../../pages/figures.js';
import { isBest, rankOf } from '../../runner/runs/figures.js';
import type { Headline } from '../../runner/stage.js';
import {
  figureOf,
  headlineAmong,
  metricNames,
  parseSort,
  sortResults,
  stageOf,
} from '../../runner/sweep/results.js';
import { workTime } from '../../runner/sweep/progress.js';
import { describeValues, formatValue, stoppedSentence } from '../../runner/sweep/trial.js';
import type { SweepEvent, TrialResult } from '../../runner/sweep/trial.js';
import { shortPath } from '../services.js';
import { type Column, formatTable } from '../table.js';

type Ended = Extract<SweepEvent, { type: 'sweep-finished' | 'sweep-failed' | 'sweep-interrupted' }>;

export interface ClosingOptions {
  /** Swept keys, dotted. */
  readonly keys: readonly string[];
  /** Stages that are the same in all trials, whose figures tell nothing. */
  readonly shared: ReadonlySet<string>;
  /** Metrics by which trials are judged; the first that any has decides. */
  readonly headlines: readonly Headline[];
  /** Those of them by which trials do not compare, and the swept keys that change what they measure. */
  readonly apart: Readonly<Record<string, readonly string[]>>;
  /** Metrics that the table leaves out. */
  readonly amounts: readonly string[];
  readonly sort: string | undefined;
  readonly width: number;
  readonly color: boolean;
}

/** Text at the end of a sweep: the table, the failures with their causes, and where the results are. */
export function closingText(event: Ended, options: ClosingOptions): string {
  const { keys, sort, color } = options;
  const chalk = new Chalk({ level: color ? 1 : 0 });
  const names = shortNames(keys);
  const { results, note } = sorted(event.results, keys, sort);
  const table = formatTable(columnsOf(results, options), options.width, chalk);
  const failures = event.results.flatMap((result) => failureLines(result, names, chalk.red));
  const stops = event.results.flatMap(({ trial, values, stopped }) =>
    stopped === undefined ? [] : [`${trial} (${describeValues(values, names)}): ${stoppedSentence(stopped)}`],
  );
  return [
    '',
    table,
    ...[...note, ...apartSentences({ apart: options.apart, trials: event.results })].map((line) =>
      chalk.yellow(line),
    ),
    ...failures,
    ...stops,
    closingSentence(event),
    ...workSentence(event),
    `Table: ${shortPath(event.csv)}, ${shortPath(event.json)}`,
    '',
  ].join('\n');
}

/** A column that is not there is no reason to lose the table at the end of a long sweep. */
function sorted(
  results: readonly TrialResult[],
  keys: readonly string[],
  sort: string | undefined,
): { readonly results: readonly TrialResult[]; readonly note: readonly string[] } {
  if (sort === undefined) return { results, note: [] };
  try {
    return { results: sortResults(results, keys, parseSort(sort)), note: [] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { results, note: [`Not sorted: ${error.message} ${error.remedy ?? ''}`.trimEnd()] };
  }
}

const colours = {
  failed: 'red',
  skipped: 'red',
  'timed-out': 'yellow',
  interrupted: 'yellow',
  waiting: 'yellow',
  stopped: 'yellow',
} as const;

function columnsOf(
  results: readonly TrialResult[],
  { keys, shared, headlines, apart, amounts, sort, color }: ClosingOptions,
): readonly Column[] {
  const chalk = new Chalk({ level: color ? 1 : 0 });
  const keyNames = shortNames(keys);
  const headline = headlineAmong({ headlines, apart }, results);
  const [quality, others] = partition(
    metricNames(results)
      .filter((name) => !shared.has(stageOf(name)) && !amounts.includes(name))
      .sort((a, b) => rankOf({ name: figureOf(a) }) - rankOf({ name: figureOf(b) })),
    (name) => name === headline?.name || name === sort?.replace(/^-/, ''),
  );
  const column = (name: string): Column => {
    const better = name === headline?.name ? headline.better : undefined;
    const values = results.map(({ metrics }) => metrics[name]);
    return {
      heading: `${stageOf(name)} ${figure(figureOf(name), 0).label}`,
      align: 'right',
      cells: values.map((value) => {
        if (value === undefined) return { text: '' };
        const text = figure(figureOf(name), value).value;
        return isBest(value, better, values) ? { text: `${bestMark} ${text}`, style: chalk.green } : { text };
      }),
    };
  };
  return [
    { heading: 'trial', cells: results.map(({ trial }) => ({ text: trial, style: chalk.dim })) },
    ...keys.map((key): Column => ({
      heading: keyNames.get(key)!,
      align: 'right',
      cells: results.map(({ values }) => ({ text: key in values ? formatValue(values[key]) : '' })),
    })),
    ...quality.map(column),
    {
      heading: 'state',
      cells: results.map(({ status }) => ({
        text: status === 'waiting' ? 'not run' : status,
        style: chalk[status in colours ? colours[status as keyof typeof colours] : 'green'],
      })),
    },
    {
      heading: 'time',
      align: 'right',
      cells: results.map(({ seconds }) => ({ text: seconds > 0 ? formatDuration(seconds) : '' })),
    },
    ...others.map((name, i): Column => ({ ...column(name), leaveOut: i + 1 })),
  ];
}

/** Those of which something holds, and the others, each in their order. */
function partition<Item>(
  items: readonly Item[],
  holds: (item: Item) => boolean,
): readonly [readonly Item[], readonly Item[]] {
  return [items.filter(holds), items.filter((item) => !holds(item))];
}

function failureLines(
  { trial, values, status, failure }: TrialResult,
  names: ReadonlyMap<string, string>,
  red: (text: string) => string,
): readonly string[] {
  if (failure === undefined) return [];
  const stage = failure.stage === undefined || status === 'skipped' ? '' : `stage ${failure.stage}: `;
  return [
    `${red(`${trial} ${status}`)} (${describeValues(values, names)}): ${stage}${failure.message}`,
    ...(failure.remedy === undefined ? [] : [`  ${failure.remedy}`]),
    ...(failure.log === undefined ? [] : [`  Log: ${shortPath(failure.log)}`]),
  ];
}

/** Line about where the time went, such that it agrees with the times of the table. */
function workSentence({ results, workedSeconds }: Ended): readonly string[] {
  const work = workTime(results);
  if (work === undefined || work.seconds === 0) return [];
  const { seconds, sharedSeconds } = work;
  const isOld = seconds - workedSeconds > Math.max(1, 0.05 * seconds);
  const all = isOld ? `, ${formatDuration(seconds)} over all calls` : '';
  const shared = sharedSeconds > 0 ? `, ${formatDuration(sharedSeconds)} of it on what all trials share` : '';
  return [`Stages worked ${formatDuration(workedSeconds)}${all}${shared}.`];
}

function closingSentence({ type, seconds, counts }: Ended): string {
  const { finished, cached, failed, timedOut, stopped, left } = counts;
  const parts = [
    ...(finished > 0 ? [`${finished} finished`] : []),
    ...(cached > 0 ? [`${cached} cached`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(timedOut > 0 ? [`${timedOut} over the time limit`] : []),
    ...(stopped > 0 ? [`${stopped} stopped`] : []),
    ...(left > 0 ? [`${left} left`] : []),
  ];
  const head =
    type === 'sweep-finished'
      ? `Done in ${formatDuration(seconds)}`
      : type === 'sweep-interrupted'
        ? 'Interrupted'
        : `Ended after ${formatDuration(seconds)}`;
  const isHeldUp = failed > 0 && left > 0 && type !== 'sweep-interrupted';
  const again = isHeldUp
    ? ' Use --keep-going to run the others too.'
    : left + timedOut > 0
      ? ' Run the same command to continue.'
      : '';
  return `${head}: ${parts.join(', ')}.${again}`;
}
