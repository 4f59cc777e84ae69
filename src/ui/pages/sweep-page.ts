import { dirname, relative } from 'node:path';
import { capitalized, counted, formatCount, formatDuration } from '../../base/format.js';
import { swatch } from '../../pages/chart/chart.js';
import { figure } from '../../pages/figures.js';
import { type Html, html, type Part, type Section } from '../../pages/html.js';
import { renderPage, type Site } from '../../pages/page.js';
import { type Cell, type Row, table } from '../../pages/table.js';
import { isBest } from '../../runner/runs/figures.js';
import { readRun, type Run } from '../../runner/runs/run.js';
import type { Headline, Json } from '../../runner/stage.js';
import { figureOf, headlineAmong, metricNames, stageOf } from '../../runner/sweep/results.js';
import type { SweepResults } from '../../runner/sweep/results.js';
import { describeValues, formatValue, shortNames, stoppedSentence } from '../../runner/sweep/trial.js';
import type { TrialResult } from '../../runner/sweep/trial.js';
import { marked, pathOfRun } from './comparison-page.js';
import { isSeed, readCompared } from './compared-run.js';
import { curveSections, mostOverlaid } from './curve-sections.js';
import { picturesSections } from './pictures-section.js';

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
  { pipeline, keys, trials, headlines = [], amounts = [] }: SweepResults,
  { file, site }: { readonly file?: string; readonly site?: Site } = {},
): Promise<string> {
  const shown = await withRuns(trials);
  const names = shortNames(keys);
  const headline = headlineAmong(headlines, trials);
  const compared = await readCompared(
    shown.flatMap(({ result, run, line }) =>
      run === undefined || line === undefined
        ? []
        : [
            {
              ...{ run, name: describeValues(result.values, names), values: valuesOf(result, keys, names) },
              ...(keys.some(isSeed) && { seeds: describeValues(withoutSeeds(result.values), names) }),
              ...(headline && { figure: figureIn(result, headline, trials) }),
            },
          ],
    ),
  );
  const done = trials.filter(({ status }) => status === 'finished' || status === 'cached').length;
  return renderPage({
    title: pipeline,
    eyebrow: 'Sweep',
    totals: [
      { label: counted(trials.length, 'trial').replace(/^\S+ /, ''), value: formatCount(trials.length) },
      { label: 'done', value: formatCount(done) },
      { label: 'of work', value: formatDuration(trials.reduce((sum, { seconds }) => sum + seconds, 0)) },
    ],
    sections: [
      trialsSection(shown, keys, headline, amounts, file),
      ...(await picturesSections(compared)),
      ...curveSections(compared),
      ...stoppedSection(trials, names),
      ...failuresSection(trials, names),
    ],
    ...(site && { site }),
  });
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
  { name, better }: Headline,
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

async function withRuns(trials: readonly TrialResult[]): Promise<readonly ShownTrial[]> {
  const shown: ShownTrial[] = [];
  let lines = 0;
  for (const result of trials) {
    const run = result.run === undefined ? undefined : await readRun(result.run);
    shown.push({ result, run, line: run && lines < mostOverlaid ? lines++ : undefined });
  }
  return shown;
}

/** Metrics that differ between trials: the others tell nothing of what was swept. */
function tellingMetrics(trials: readonly TrialResult[], amounts: readonly string[]): readonly string[] {
  return metricNames(trials).filter((name) => {
    const values = new Set(trials.flatMap(({ metrics }) => metrics[name] ?? []));
    return !amounts.includes(name) && (values.size > 1 || trials.length === 1);
  });
}

function trialsSection(
  shown: readonly ShownTrial[],
  keys: readonly string[],
  headline: Headline | undefined,
  amounts: readonly string[],
  file: string | undefined,
): Section {
  const results = shown.map(({ result }) => result);
  const metrics = tellingMetrics(results, amounts).filter((name) => name !== headline?.name);
  const compared = headline === undefined ? [] : [headline];
  const values = results.map(({ metrics: found }) => found[headline?.name ?? '']);
  const names = shortNames(keys);
  const isCut = shown.filter(({ run }) => run !== undefined).length > mostOverlaid;
  return {
    id: 'trials',
    title: 'Trials',
    ...(isCut && { lead: `The curves below are those of the first ${mostOverlaid} trials.` }),
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
  const { values, status, seconds } = trial.result;
  const cells = [
    html`${trial.line !== undefined && swatch(trial.line)} ${nameOf(trial, file)}`,
    ...keys.map((key) => ({
      content: key in values && formatValue(values[key]),
      sortedBy: sortValue(values[key]),
    })),
    ...compared,
    html`<span class="state ${status}">${status === 'waiting' ? 'not run' : status}</span>`,
    { content: seconds > 0 && formatDuration(seconds), sortedBy: seconds },
    ...metrics,
  ];
  return { run: trial.line, cells };
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
