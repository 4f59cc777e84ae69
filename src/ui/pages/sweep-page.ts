import { dirname, relative } from 'node:path';
import { UserError } from '../../base/errors.js';
import { capitalized, formatCount, formatDuration, plural } from '../../base/format.js';
import { shortNames } from '../../base/short-names.js';
import { swatch } from '../../pages/chart/chart.js';
import { apartSentences } from '../../pages/apart-sentences.js';
import { figure } from '../../pages/figures.js';
import { type Html, html, type Part, type Section } from '../../pages/html.js';
import { type PageContent, renderPage, type Site } from '../../pages/page.js';
import { type Cell, type Row, table } from '../../pages/table.js';
import { isBest, rankOf } from '../../runner/runs/figures.js';
import { readRun, type Run } from '../../runner/runs/run.js';
import { type Json, percentDone } from '../../runner/stage.js';
import { SweepProgress, workTime } from '../../runner/sweep/progress.js';
import { figureOf, headlineAmong, metricNames, stageOf } from '../../runner/sweep/results.js';
import type { JudgedBy, SweepResults } from '../../runner/sweep/results.js';
import { describeValues, formatValue, stoppedSentence } from '../../runner/sweep/trial.js';
import type { TrialResult, WholeProgress } from '../../runner/sweep/trial.js';
import { marked, pathOfRun } from './comparison-page.js';
import { isSeed, readCompared } from './compared-run.js';
import { curveSections, mostDrawn, mostOverlaid } from './curve-sections.js';
import { type KnownPictures, picturesSections } from './pictures-section.js';

/** A trial with its last run, where that is still there, and which line of the curves it is. */
interface ShownTrial {
  readonly result: TrialResult;
  readonly run: Run | undefined;
  readonly line: number | undefined;
}

/**
 * A sweep as a whole: a table of swept keys and metrics, which can be sorted, and the curves of its trials over each other.
 *
 * @param file absolute path of the page, from which links to the trials' reports start; absent where a server gives it out
 */
export async function sweepPage(
  results: SweepResults,
  { site, ...options }: { readonly file?: string; readonly site?: Site; readonly known?: KnownPictures } = {},
): Promise<string> {
  const { head, sections } = await sweepParts(results, options);
  return renderPage({ ...head, sections, ...(site && { site }) });
}

/**
 * The parts of the page as they are now.
 *
 * @param known pictures that were read for the same page before, which are looked at again and again
 */
export async function sweepParts(
  results: SweepResults,
  { file, known }: { readonly file?: string; readonly known?: KnownPictures } = {},
): Promise<{ readonly head: Head; readonly sections: readonly Section[] }> {
  const shown = await withRuns(results);
  const names = shortNames(results.keys);
  const compared = await readCompared(comparedOf(results, shown));
  return {
    head: sweepHead(results, shown),
    sections: [
      trialsSection(results, shown, file),
      ...(await picturesSections(compared.slice(0, mostOverlaid), known)),
      ...curveSections(compared),
      ...stoppedSection(results.trials, names),
      ...failuresSection(results.trials, names),
    ],
  };
}

type Head = Pick<PageContent, 'title' | 'eyebrow' | 'totals'>;

function sweepHead({ pipeline, underWay, trials }: SweepResults, shown: readonly ShownTrial[]): Head {
  const done = trials.filter(({ status }) => status === 'finished' || status === 'cached').length;
  const work = workTime(trials);
  const seconds = work?.seconds ?? trials.reduce((sum, trial) => sum + trial.seconds, 0);
  const whole = underWay === true && wholeOf(shown);
  return {
    title: pipeline,
    eyebrow: 'Sweep',
    totals: [
      { label: plural(trials.length, 'trial'), value: formatCount(trials.length) },
      { label: 'done', value: formatCount(done) },
      ...(whole ? [{ label: 'of the whole', value: `${Math.floor(100 * whole.share)} %` }] : []),
      ...(whole && whole.secondsLeft !== undefined
        ? [{ label: 'left', value: formatDuration(whole.secondsLeft) }]
        : []),
      { label: 'of work', value: formatDuration(seconds) },
      ...(work !== undefined && work.sharedSeconds > 0
        ? [{ label: 'of it shared by all', value: formatDuration(work.sharedSeconds) }]
        : []),
    ],
  };
}

/** A trial that its sweep is running, unless its run is over. */
const isAtWork = ({ status }: TrialResult, run: Run | undefined): boolean =>
  status === 'running' && (run === undefined || run.state === 'running');

/** Progress of all trials, from what their runs record. */
function wholeOf(shown: readonly ShownTrial[]): WholeProgress {
  const atWork = shown.filter(({ result, run }) => isAtWork(result, run)).length;
  const progress = new SweepProgress(
    // What halving has stopped is not to be made.
    shown.flatMap(({ result: { outputs = {}, stopped } }) => (stopped === undefined ? [outputs] : [])),
    Math.max(1, atWork),
  );
  for (const { result, run } of shown) {
    const recipeOf = (stage: string): string => result.outputs?.[stage]?.recipe ?? '';
    for (const [stage, { status, seconds = 0 }] of Object.entries(run?.record.stages ?? {}))
      if (status === 'finished' || status === 'cached') progress.finish(recipeOf(stage), seconds);
    if (run?.state !== 'running' || run.stage === undefined || run.progress === undefined) continue;
    const { done, total, secondsLeft } = run.progress;
    progress.advance(recipeOf(run.stage), { type: 'progress', ...run.progress }, 0);
    if (secondsLeft !== undefined && done < total)
      progress.expect(recipeOf(run.stage), (secondsLeft * total) / (total - done));
  }
  return progress.whole;
}

/** The trials whose curves and pictures are shown. */
function comparedOf(results: SweepResults, shown: readonly ShownTrial[]): Parameters<typeof readCompared>[0] {
  const { keys, trials } = results;
  const names = shortNames(keys);
  const headline = headlineAmong(results, trials);
  const inOrder = shown.toSorted((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity));
  return inOrder.flatMap(({ result, run, line }) =>
    run === undefined || line === undefined
      ? []
      : [
          {
            ...{ run, name: describeValues(result.values, names), values: valuesOf(result, keys, names) },
            ...(keys.some(isSeed) && { seeds: describeValues(withoutSeeds(result.values), names) }),
            ...(headline && { figure: figureIn(result, headline, trials) }),
          },
        ],
  );
}

/** Values that a trial was swept to, by short names of the keys. */
function valuesOf(
  { values }: TrialResult,
  keys: readonly string[],
  names: ReadonlyMap<string, string>,
): readonly (readonly [key: string, value: string])[] {
  return keys.flatMap((key) => (key in values ? [[names.get(key)!, formatValue(values[key])] as const] : []));
}

function figureIn(
  { metrics }: TrialResult,
  { name, better }: JudgedBy,
  trials: readonly TrialResult[],
): Part {
  const value = metrics[name];
  if (value === undefined) return undefined;
  const { label, value: text } = figure(figureOf(name), value);
  const values = trials.map((trial) => trial.metrics[name]);
  return html`<small>${label}</small> ${marked(text, isBest(value, better, values))}`;
}

const withoutSeeds = (values: TrialResult['values']): TrialResult['values'] =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !isSeed(key)));

/** The table tells of a trial whose run cannot be read; the page of all runs says what is wrong with it. */
function unreadable(error: unknown): undefined {
  if (!(error instanceof UserError)) throw error;
  return undefined;
}

/** Trials in the order of the sweep. Of more than can be told apart, the best have the first lines, where they compare. */
async function withRuns(results: SweepResults): Promise<readonly ShownTrial[]> {
  const { trials } = results;
  const found: Omit<ShownTrial, 'line'>[] = [];
  for (const result of trials)
    found.push({
      result,
      run: result.run === undefined ? undefined : await readRun(result.run).catch(unreadable),
    });
  const { name = '', better } = headlineAmong(results, trials) ?? {};
  const worth = ({ result: { metrics } }: Omit<ShownTrial, 'line'>): number => {
    if (better === undefined) return 0;
    const value = metrics[name] ?? NaN;
    return Number.isFinite(value) ? (better === 'less' ? value : -value) : Number.MAX_VALUE;
  };
  const known = found.filter(({ run }) => run !== undefined);
  const order = known.length > mostOverlaid ? known.toSorted((a, b) => worth(a) - worth(b)) : known;
  const lines = new Map(order.slice(0, mostDrawn).map(({ result }, line) => [result.trial, line]));
  return found.map((trial) => ({ ...trial, line: lines.get(trial.result.trial) }));
}

/** Metrics that differ between trials, what they took last: the others tell nothing of what was swept. */
function tellingMetrics(trials: readonly TrialResult[], amounts: readonly string[]): readonly string[] {
  const telling = metricNames(trials).filter((name) => {
    const values = new Set(trials.flatMap(({ metrics }) => metrics[name] ?? []));
    return !amounts.includes(name) && (values.size > 1 || trials.length === 1);
  });
  return telling.toSorted((a, b) => rankOf({ name: figureOf(a) }) - rankOf({ name: figureOf(b) }));
}

function trialsSection(sweep: SweepResults, shown: readonly ShownTrial[], file: string | undefined): Section {
  const { keys, trials, apart = {}, amounts = [] } = sweep;
  const headline = headlineAmong(sweep, trials);
  const first = headline?.better === undefined ? 'first' : 'best';
  const results = shown.map(({ result }) => result);
  const metrics = tellingMetrics(results, amounts).filter((name) => name !== headline?.name);
  const compared = headline === undefined ? [] : [headline];
  const values = results.map(({ metrics: found }) => found[headline?.name ?? '']);
  const names = shortNames(keys);
  const withRun = shown.filter(({ run }) => run !== undefined).length;
  return {
    id: 'trials',
    title: 'Trials',
    lead: [
      ...(workTime(trials)?.sharedSeconds ? ['Times are those of what differs between trials.'] : []),
      ...apartSentences({ apart, trials }),
      ...(withRun > mostOverlaid
        ? [
            `The curves and pictures below are those of the ${first} ${mostOverlaid} trials; the curves of ${withRun > mostDrawn ? `the ${first} ${mostDrawn}` : 'all'}, or of those that a search leaves, can be chosen.`,
          ]
        : []),
    ].join(' '),
    body: table({
      label: 'Trials',
      kind: 'sortable',
      columns: [
        'Trial',
        ...keys.map((key) => ({
          heading: html`<code title="${key}">${names.get(key)}</code>`,
          kind: 'groups',
        })),
        ...compared.map(({ name }) => ({ heading: heading(name), kind: 'headline' })),
        { heading: 'State', kind: 'groups' },
        { heading: 'Time', kind: 'duration' },
        ...metrics.map((name) => ({ heading: heading(name) })),
      ],
      rows: shown.map((trial) =>
        row(
          trial,
          keys,
          compared.map(({ name, better }) => {
            const value = trial.result.metrics[name];
            return metricCell(name, value, isBest(value, better, values));
          }),
          metrics.map((name) => metricCell(name, trial.result.metrics[name])),
          file,
        ),
      ),
    }),
  };
}

function metricCell(name: string, value: number | undefined, isTheBest = false): Cell {
  return {
    content: value !== undefined && marked(figure(figureOf(name), value).value, isTheBest),
    sortedBy: value ?? '',
  };
}

function heading(name: string): Html {
  return html`<small>${stageOf(name)}</small> ${figure(figureOf(name), 0).label}`;
}

function row(
  trial: ShownTrial,
  keys: readonly string[],
  compared: readonly Cell[],
  metrics: readonly Cell[],
  file: string | undefined,
): Row {
  const { values, seconds } = trial.result;
  const cells = [
    html`${trial.line !== undefined && swatch(trial.line)} ${nameOf(trial, file)}`,
    ...keys.map((key) => ({
      content: key in values && formatValue(values[key]),
      sortedBy: sortValue(values[key]),
    })),
    ...compared,
    stateOf(trial),
    { content: seconds > 0 && formatDuration(seconds), sortedBy: seconds },
    ...metrics,
  ];
  return { run: trial.line, cells };
}

function stateOf({ result: { status }, run }: ShownTrial): Cell {
  // A trial goes on for a moment after a sweep that died, or dies with it.
  const state = (status === 'running' || status === 'interrupted') && run !== undefined ? run.state : status;
  const word = state === 'waiting' ? 'not run' : state;
  const { stage, progress } = run ?? {};
  const share = progress && percentDone(progress);
  return {
    content: html`<span class="state ${state}">${word}</span>${
        state === 'running' && stage !== undefined
          ? html` <small>${stage}${share !== undefined && ` ${Math.floor(share)} %`}</small>`
          : undefined
      }`,
    sortedBy: word,
  };
}

const sortValue = (value: Json | undefined): string => (value === undefined ? '' : formatValue(value));

/** Leads to the trial's page on a server, or from a file to its report. */
function nameOf({ result: { trial, pages }, run }: ShownTrial, file: string | undefined): Html {
  const [page] = pages;
  const href =
    file === undefined
      ? run && pathOfRun(run)
      : page && relative(dirname(file), page).split('/').map(encodeURIComponent).join('/');
  return href === undefined ? html`<bdi>${trial}</bdi>` : html`<a href="${href}"><bdi>${trial}</bdi></a>`;
}

function stoppedSection(
  trials: readonly TrialResult[],
  names: ReadonlyMap<string, string>,
): readonly Section[] {
  const stopped = trials.filter((trial) => trial.stopped !== undefined);
  if (stopped.length === 0) return [];
  return [
    {
      id: 'stopped',
      title: 'Stopped trials',
      lead: 'Halving compared the trials on their way, and let the better ones go on.',
      body: html`<dl>
        ${stopped.map(
          (trial) =>
            html`<dt>${describeValues(trial.values, names)}</dt>
              <dd>${capitalized(stoppedSentence(trial.stopped!))}.</dd>`,
        )}
      </dl>`,
    },
  ];
}

function failuresSection(
  trials: readonly TrialResult[],
  names: ReadonlyMap<string, string>,
): readonly Section[] {
  const failed = trials.filter(({ failure }) => failure !== undefined);
  if (failed.length === 0) return [];
  return [
    {
      id: 'failures',
      title: 'Failures',
      body: html`<dl>
        ${failed.map(
          ({ values, failure }) =>
            html`<dt>${describeValues(values, names)}</dt>
              <dd>
                ${failure!.stage !== undefined && html`<b>${failure!.stage}</b> `}${failure!.message}
                ${failure!.remedy !== undefined && html`<br />${failure!.remedy}`}
              </dd>`,
        )}
      </dl>`,
    },
  ];
}
