import { resolve } from 'node:path';
import { Chalk, type ChalkInstance } from 'chalk';
import { UserError } from '../../base/errors.js';
import { asText, counted, formatPercent } from '../../base/format.js';
import { writeFileWhole } from '../../base/output-file.js';
import { bestMark, figure } from '../../pages/figures.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { type ComparedFigure, compareRuns, type Comparison } from '../../runner/runs/compare.js';
import { formatOrigin } from '../../runner/runs/configuration.js';
import { isBest } from '../../runner/runs/figures.js';
import { findRun, listRuns } from '../../runner/runs/find-runs.js';
import type { Run } from '../../runner/runs/run.js';
import type { Json } from '../../runner/stage.js';
import { runColumns } from '../run-lines.js';
import { exitCodes, say, type Services, shortPath, usesColor } from '../services.js';
import { type Column, formatTable } from '../table.js';

export interface CompareOptions {
  readonly json?: boolean;
  readonly html?: string;
  readonly runs?: string;
}

/** `pipeline compare`: what differs between runs. Gives the exit code. */
export async function compare(
  references: readonly string[],
  options: CompareOptions,
  services: Services,
): Promise<number> {
  const { stdout, env } = services;
  const all = await listRuns(runsRootOf(process.cwd(), options.runs, env));
  const comparison = await compareRuns(chooseRuns(references, all));
  if (options.html !== undefined) {
    const path = resolve(options.html);
    const { comparisonPage } = await import('../../ui/pages/comparison-page.js');
    await writeFileWhole(path, await comparisonPage(comparison));
    if (options.json !== true) say(stdout, `Comparison: ${shortPath(path)}\n`);
  }
  if (options.json === true) stdout.write(`${JSON.stringify(asJson(comparison))}\n`);
  else if (options.html === undefined) say(stdout, formatComparison(comparison, services));
  return exitCodes.done;
}

/** A single reference is compared with the run of the same pipeline before it. */
function chooseRuns(references: readonly string[], all: readonly Run[]): readonly Run[] {
  const [only, ...more] = references;
  const runs =
    more.length === 0
      ? [findRun(`${findRun(only!, all).id}~1`, all), findRun(only!, all)]
      : references.map((reference) => findRun(reference, all));
  const repeated = runs.find((run, i) => runs.indexOf(run) < i);
  if (repeated !== undefined)
    throw new UserError({
      code: 'same-run',
      usage: true,
      message: `The run ${repeated.id} is named twice.`,
      remedy: 'Name two runs, such as: npx pipeline compare latest~1 latest',
    });
  return runs;
}

/** Runs are A, B, C … in the tables, so that these stay narrow. */
const letter = (i: number): string =>
  String.fromCharCode('A'.charCodeAt(0) + (i % 26)).repeat(1 + Math.floor(i / 26));

function formatComparison({ runs, configuration, figures }: Comparison, { stdout, env }: Services): string {
  const chalk = new Chalk({ level: usesColor(stdout, env) ? 1 : 0 });
  const width = stdout.isTTY ? stdout.columns : Infinity;
  const table = (columns: readonly Column[]) => formatTable(columns, width, chalk);
  const differ = ({ values }: ComparedFigure) => values.some((value) => value !== values[0]);
  // Without a difference, all are shown.
  const differing = figures.some(differ) ? figures.filter(differ) : figures;
  const sections = [
    table([
      { heading: '', cells: runs.map((_, i) => ({ text: letter(i), style: chalk.bold })) },
      ...runColumns(runs, chalk)
        // The tables below show both.
        .slice(0, -2)
        // The letter names the run.
        .map((column) => (column.heading === 'run' ? { ...column, flexible: true } : column)),
    ]),
    configuration.length === 0
      ? 'The configurations are the same.\n'
      : table([
          { heading: 'key', cells: configuration.map(({ key }) => ({ text: key })), flexible: true },
          ...runs.map((_, i) => ({
            heading: letter(i),
            flexible: true,
            cells: configuration.map(({ values, origins }) => ({
              text: values[i] === undefined ? '–' : `${asText(values[i])}  ${formatOrigin(origins[i])}`,
              style: (text: string) => emphasizeValue(text, chalk),
            })),
          })),
        ]),
    figures.length === 0 ? 'There are no figures yet.\n' : table(figureColumns(runs, differing)),
    ...(differing.length < figures.length
      ? [`${counted(figures.length - differing.length, 'figure is', 'figures are')} the same in all.\n`]
      : []),
  ];
  return sections.join('\n');
}

function figureColumns(runs: readonly Run[], figures: readonly ComparedFigure[]): readonly Column[] {
  return [
    { heading: 'stage', cells: figures.map(({ stage }) => ({ text: stage })) },
    { heading: 'figure', cells: figures.map(({ name }) => ({ text: figure(name, 0).label })) },
    ...runs.map((_, i): Column => ({
      heading: letter(i),
      align: 'right',
      cells: figures.map((row) => ({ text: row.values[i] === undefined ? '–' : marked(row, i) })),
    })),
    ...(runs.length === 2
      ? [
          {
            heading: 'B − A',
            align: 'right' as const,
            cells: figures.map((row) => ({ text: change(row) })),
          },
        ]
      : []),
  ];
}

/** A value, with a star where it is the best by which the runs are compared. */
function marked({ name, values, better }: ComparedFigure, i: number): string {
  const { value } = figure(name, values[i]!);
  return isBest(values[i], better, values) ? `${bestMark} ${value}` : value;
}

/** The difference of two values, and what part of the first it is. */
function change({ name, values: [from, to] }: ComparedFigure): string {
  if (from === undefined || to === undefined || from === to) return '';
  const difference = to - from;
  const sign = difference > 0 ? '+' : '−';
  const part = from === 0 ? '' : ` (${sign}${formatPercent(Math.abs(difference / from))})`;
  return `${sign}${figure(name, Math.abs(difference)).value}${part}`;
}

/** The value plain, the place that it came from dim. */
function emphasizeValue(text: string, { dim }: ChalkInstance): string {
  const end = text.lastIndexOf('  ');
  return end < 0 ? text : text.slice(0, end) + dim(text.slice(end));
}

function asJson({ runs, configuration, figures }: Comparison): Json {
  return {
    runs: runs.map(({ id, directory, state, seconds }) => ({ id, directory, state, seconds })),
    configuration: configuration.map(({ key, values, origins }) => ({
      key,
      values: values.map((value) => value ?? null),
      origins: origins.map((origin, i) => (values[i] === undefined ? null : formatOrigin(origin))),
    })),
    figures: figures.map(({ stage, name, values, better }) => ({
      stage,
      name,
      ...(better && { better }),
      values: values.map((value) => value ?? null),
    })),
  };
}
