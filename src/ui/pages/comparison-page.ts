import { asText, capitalized, counted, formatDuration, plural } from '../../base/format.js';
import { shortNames } from '../../base/short-names.js';
import { swatch } from '../../pages/chart/chart.js';
import { bestMark, figure } from '../../pages/figures.js';
import { type Html, html, type Part, type Section } from '../../pages/html.js';
import { renderPage, type Site } from '../../pages/page.js';
import { type Cell, type Column, table } from '../../pages/table.js';
import type { ComparedFigure, Comparison, ConfigurationDifference } from '../../runner/runs/compare.js';
import { formatOrigin } from '../../runner/runs/configuration.js';
import { isBest } from '../../runner/runs/figures.js';
import type { Run } from '../../runner/runs/run.js';
import type { Json } from '../../runner/stage.js';
import { describeValues, formatValue } from '../../runner/sweep/trial.js';
import { type ComparedRun, isSeed, mostValues, readCompared } from './compared-run.js';
import { curveSections } from './curve-sections.js';
import { picturesSections } from './pictures-section.js';
import { noteMarkup, startOf, stateBadge } from './run-stages.js';

/**
 * Runs side by side: what was set differently, what came of it, and their curves over each other. `chosen` is the count of
 * runs that someone chose, where it is more than are compared.
 */
export async function comparisonPage(
  { runs, configuration, figures }: Comparison,
  site?: Site,
  chosen = runs.length,
): Promise<string> {
  const names = runNames(runs, configuration);
  const headline = figures.find(({ isHeadline }) => isHeadline);
  const differing = figures.filter(isDifferent).length;
  const compared = await readCompared(
    runs.map((run, i) => ({
      run,
      name: names[i]!,
      values: valuesOf(configuration, i),
      ...(configuration.some(({ key }) => isSeed(key)) && { seeds: withoutSeeds(configuration, i) }),
      ...(headline && { figure: figureOf(headline, i) }),
    })),
  );
  return renderPage({
    title: `${counted(runs.length, 'run')} compared`,
    eyebrow: [...new Set(runs.map(({ record }) => record.pipeline))].join(', '),
    totals: [
      {
        label: plural(configuration.length, 'setting differs', 'settings differ'),
        value: String(configuration.length),
      },
      { label: plural(differing, 'figure differs', 'figures differ'), value: String(differing) },
    ],
    sections: [
      {
        ...runsSection(compared, headline, site),
        ...(chosen > runs.length && { lead: leftOut(runs.length, chosen) }),
      },
      figuresSection(names, figures),
      ...(await picturesSections(compared)),
      ...curveSections(compared),
      differencesSection(names, configuration),
    ].filter((section) => section !== undefined),
    ...(site && { site }),
  });
}

const leftOut = (compared: number, chosen: number): string =>
  `Of the ${chosen} runs that were chosen, the latest ${compared} are compared: curves of more could not be told apart.`;

function runsSection(
  compared: readonly ComparedRun[],
  headline: ComparedFigure | undefined,
  site: Site | undefined,
): Section {
  const runs = compared.map(({ run }) => run);
  return {
    id: 'runs',
    title: 'Runs',
    body: table({
      label: 'The runs',
      kind: 'sortable',
      columns: [
        'Run',
        ...compared[0]!.values
          .slice(0, mostValues)
          .map(([key]) => ({ heading: html`<code>${key}</code>`, kind: 'groups' })),
        ...(headline === undefined
          ? []
          : [{ heading: capitalized(figure(headline.name, 0).label), kind: 'headline' }]),
        { heading: 'State', kind: 'groups' },
        { heading: 'Time', kind: 'duration' },
        { heading: 'Began', kind: 'began' },
      ],
      rows: compared.map(({ name, line, values, run }, i) => ({
        run: line,
        cells: [
          html`${swatch(line)}
            <bdi>${name}</bdi>
            ${noteMarkup(run.note)}`,
          ...values.slice(0, mostValues).map(([, value]) => value),
          ...(headline === undefined ? [] : [headlineCell(headline, i)]),
          stateBadge(run.state),
          { content: formatDuration(run.seconds), sortedBy: run.seconds },
          linkTo(run, runs, site),
        ],
      })),
    }),
  };
}

function headlineCell({ name, better, values }: ComparedFigure, i: number): Cell {
  const value = values[i];
  return {
    content: value !== undefined && marked(figure(name, value).value, isBest(value, better, values)),
    sortedBy: value ?? '',
  };
}

function linkTo(run: Run, runs: readonly Run[], site: Site | undefined): Html {
  const time = html`<bdi>${timeOf(run, runs)}</bdi>`;
  return site === undefined ? time : html`<a href="${pathOfRun(run)}">${time}</a>`;
}

/** Values that somebody set a run to, of the keys that differ. */
function valuesOf(
  differences: readonly ConfigurationDifference[],
  i: number,
): readonly (readonly [key: string, value: string])[] {
  const written = differences.filter(({ origins }) => origins.some((origin) => origin !== undefined));
  const names = shortNames(written.map(({ key }) => key));
  return written.map(({ key, values }) => [names.get(key)!, formatValue(values[i] ?? 'none')]);
}

/** Values of one of the runs where they differ in more than seeds. */
function withoutSeeds(differences: readonly ConfigurationDifference[], i: number): string {
  const others = differences.filter(({ key }) => !isSeed(key));
  const names = shortNames(others.map(({ key }) => key));
  return others.map(({ key, values }) => `${names.get(key)!} ${formatValue(values[i])}`).join(', ');
}

function figureOf({ name, better, values }: ComparedFigure, i: number): Part {
  const value = values[i];
  if (value === undefined) return undefined;
  const { label, value: text } = figure(name, value);
  return html`<small>${label}</small> ${marked(text, isBest(value, better, values))}`;
}

/** The address of a run's page. */
export function pathOfRun({ id }: Run): string {
  return `/runs/${id.split('/').map(encodeURIComponent).join('/')}`;
}

const isDifferent = ({ values }: ComparedFigure): boolean => values.some((value) => value !== values[0]);

function figuresSection(names: readonly string[], figures: readonly ComparedFigure[]): Section | undefined {
  if (figures.length === 0) return undefined;
  const [differing, same] = [true, false].map((differs) =>
    figures.filter((each) => isDifferent(each) === differs),
  ) as [ComparedFigure[], ComparedFigure[]];
  return {
    id: 'figures',
    title: 'Figures',
    body: html`${
      differing.length > 0 &&
      table({
        label: 'Figures of the runs',
        kind: 'compared searched',
        columns: ['Figure', ...runColumns(names)],
        rows: differing.map((row) => [
          nameOfFigure(row),
          ...row.values.map((value) =>
            value === undefined
              ? '–'
              : marked(figure(row.name, value).value, isBest(value, row.better, row.values)),
          ),
        ]),
      })
    }
    ${
      same.length > 0 &&
      html`<details>
        <summary>${counted(same.length, 'figure is', 'figures are')} the same in all</summary>
        ${table({
          label: 'Figures that are the same',
          columns: ['Figure', 'In all'],
          rows: same.map((row) => [nameOfFigure(row), figure(row.name, row.values[0]!).value]),
        })}
      </details>`
    }`,
  };
}

const nameOfFigure = ({ stage, name }: ComparedFigure): Html =>
  html`<small>${stage}</small> ${capitalized(figure(name, 0).label)}`;

/** A value, marked where it is the best. */
export const marked = (text: string, isTheBest: boolean): Part =>
  isTheBest ? html`<b>${text} <span role="img" aria-label="best">${bestMark}</span></b>` : text;

function differencesSection(
  names: readonly string[],
  differences: readonly ConfigurationDifference[],
): Section {
  return {
    id: 'configuration',
    title: 'Configuration',
    lead:
      differences.length === 0
        ? 'The configurations are the same.'
        : 'The keys that differ, and where each value was written.',
    body:
      differences.length === 0
        ? html``
        : table({
            label: 'Differences of configuration',
            kind: 'compared searched',
            columns: ['Key', ...runColumns(names)],
            rows: differences.map(({ key, values, origins }) => [
              html`<code>${key}</code>`,
              ...values.map((value, i) => configured(value, formatOrigin(origins[i]))),
            ]),
          }),
  };
}

function configured(value: Json | undefined, origin: string): Part {
  if (value === undefined) return '–';
  return html`<code>${asText(value)}</code> <small>${origin}</small>`;
}

function runColumns(names: readonly string[]): readonly Column[] {
  return names.map((name, i) => ({ heading: html`${swatch(i)} <bdi>${name}</bdi>` }));
}

/** Keys that a name holds at most, and characters: a longer one would be read by nobody. */
const mostKeys = 3;
const longest = 48;

/**
 * A short name for each run: what a person called it, where all have such a name; else what it was set to differently,
 * such as `mediators 4` and `mediators 16`, where that tells all of them apart; otherwise when they began.
 */
export function runNames(
  runs: readonly Run[],
  differences: readonly ConfigurationDifference[],
): readonly string[] {
  const given = runs.flatMap(({ note }) => note?.name ?? []);
  if (given.length === runs.length) return given;
  const keys = tellingKeys(runs, differences);
  const names = shortNames(keys.map(({ key }) => key));
  const told = runs.map((_, i) =>
    describeValues(
      Object.fromEntries(keys.map(({ key, values }) => [key, (values[i] ?? 'none') as Json])),
      names,
    ),
  );
  const isShort = told.every((name) => name !== '' && name.length <= longest);
  return isShort && new Set(told).size === runs.length ? told : runs.map((run) => timeOf(run, runs));
}

/**
 * Selects, of the keys that somebody wrote (a default may differ from that of an earlier version), all that differ,
 * where these are few; otherwise the first few that tell ever more runs apart.
 */
function tellingKeys(
  runs: readonly Run[],
  all: readonly ConfigurationDifference[],
): readonly ConfigurationDifference[] {
  const differences = all.filter(({ origins }) => origins.some((origin) => origin !== undefined));
  if (differences.length <= mostKeys) return differences;
  const apart = (keys: readonly ConfigurationDifference[]): number =>
    new Set(runs.map((_, i) => JSON.stringify(keys.map(({ values }) => values[i] ?? null)))).size;
  const telling: ConfigurationDifference[] = [];
  for (const difference of differences)
    if (apart([...telling, difference]) > apart(telling)) telling.push(difference);
  return telling.slice(0, mostKeys);
}

/** Time at which a run began; with its pipeline where not all runs are of the same. */
function timeOf(run: Run, runs: readonly Run[]): string {
  const { record } = run;
  const time = startOf(run);
  return runs.every((other) => other.record.pipeline === record.pipeline)
    ? time
    : `${record.pipeline}/${time}`;
}
