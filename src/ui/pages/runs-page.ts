import { counted, formatCount, formatDuration, plural } from '../../base/format.js';
import { figure, runFacts } from '../../pages/figures.js';
import { html, type Part, type Section } from '../../pages/html.js';
import { type PageContent, renderPage, type Site } from '../../pages/page.js';
import { type Row, table } from '../../pages/table.js';
import type { RunScan } from '../../runner/runs/find-runs.js';
import { runStates } from '../../runner/run/events.js';
import type { RunFigure } from '../../runner/runs/figures.js';
import type { Run } from '../../runner/runs/run.js';
import { settingsOf } from '../../runner/runs/settings.js';
import { percentDone } from '../../runner/stage.js';
import { pathOfRun } from './comparison-page.js';
import { noteMarkup, startOf, stateBadge } from './run-stages.js';

/** Runs on one page; older ones are on the next. */
const runsOnPage = 100;

const shownFigures = 3;

/** Choice among all runs that a page shows, as its address says. */
export interface RunsQuery {
  /** Words, all of which a run has in its id, note, settings or figures. */
  readonly search: string;
  readonly state: string;
  readonly sort: keyof typeof orders;
  readonly group: keyof typeof groupings;
  readonly page: number;
}

/** Meaning of the headline figure of each run: a text that those have in common whose figures compare. */
export type Measures = ReadonlyMap<Run, string>;

const orders = {
  latest: { label: 'latest first', compare: () => 0 },
  oldest: { label: 'oldest first', compare: byStart },
  longest: { label: 'longest first', compare: (a: Run, b: Run) => b.seconds - a.seconds },
  best: { label: 'best figure first', compare: byFigure },
} as const;

const groupings = {
  nothing: () => '',
  pipeline: ({ record }: Run) => record.pipeline,
  state: ({ state }: Run) => state,
  day: ({ record }: Run) => record.startedAt.slice(0, 10),
} as const;

function byStart(a: Run, b: Run): number {
  return a.record.startedAt < b.record.startedAt ? -1 : a.record.startedAt > b.record.startedAt ? 1 : 0;
}

/** The figure that a run is judged by. */
export const headlineFigure = ({ figures }: Run): RunFigure | undefined =>
  figures.find(({ better }) => better !== undefined);

/** Order by that figure, the best first; those that do not compare stay as they were. */
function byFigure(a: Run, b: Run): number {
  const [one, other] = [headlineFigure(a)?.value ?? 0, headlineFigure(b)?.value ?? 0];
  return headlineFigure(a)?.better === 'less' ? one - other : other - one;
}

/** Reads what an address asks for; what is unknown in it is as if it were not there. */
export function readQuery(parameters: URLSearchParams): RunsQuery | undefined {
  const page = Number(/^\d{1,6}$/.exec(parameters.get('page') ?? '1')?.[0] ?? NaN);
  if (!(page >= 1)) return undefined;
  const one = <Key extends string>(name: string, known: Readonly<Record<Key, unknown>>, first: Key): Key => {
    const value = parameters.get(name) ?? '';
    return Object.hasOwn(known, value) ? (value as Key) : first;
  };
  return {
    search: (parameters.get('search') ?? '').slice(0, 200),
    state: runStates.find((state) => state === parameters.get('state')) ?? '',
    sort: one('sort', orders, 'latest'),
    group: one('group', groupings, 'nothing'),
    page,
  };
}

function textOf({ id, record, state, note, figures }: Run): string {
  const words = figures.map(({ name, value }) => `${figure(name, value).label} ${figure(name, value).value}`);
  const { name = '', tags = [], text = '' } = note ?? {};
  return [id, state, ...record.options.set, name, ...tags, text, ...words].join(' ').toLowerCase();
}

/** The runs that a query asks for, in its order: those of a group beside each other. */
function chosenRuns(
  runs: readonly Run[],
  { search, state, sort, group }: RunsQuery,
  measures: Measures,
): readonly Run[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = runs
    .toReversed()
    .filter((run) => state === '' || run.state === state)
    .filter((run) => words.length === 0 || words.every((word) => textOf(run).includes(word)));
  // Figures that measure different things have no order.
  const inOrder =
    sort === 'best'
      ? together(found, (run) => measures.get(run) ?? '', orders.best.compare)
      : found.sort(orders[sort].compare);
  return together(inOrder, groupings[group]);
}

/** Runs of a group beside each other, in an order; the groups in that of their first runs, the one without a name last. */
function together(
  runs: readonly Run[],
  groupOf: (run: Run) => string,
  compare: (a: Run, b: Run) => number = () => 0,
): readonly Run[] {
  const names = [...new Set(runs.map(groupOf))];
  const place = (run: Run): number => (groupOf(run) === '' ? names.length : names.indexOf(groupOf(run)));
  return runs.toSorted((a, b) => place(a) - place(b) || compare(a, b));
}

/** Page of all runs, the latest first unless it is asked for another order. */
export function runsPage(
  { runs, problems }: RunScan,
  query: RunsQuery,
  site: Site,
  measures: Measures,
): string {
  return renderPage({
    ...runsHead(runs),
    sections: [
      ...(runs.length > 0 ? [querySection(query)] : []),
      runsSection(runs, query, measures),
      ...unreadSection(problems),
    ],
    site,
  });
}

/** A form that asks for some of the runs, in an order. It works without scripts, and goes by the address. */
function querySection({ search, state, sort, group }: RunsQuery): Section {
  const select = (name: string, label: string, chosen: string, options: readonly (readonly string[])[]) =>
    html`<label
      >${label}
      <select name="${name}">
        ${options.map(([value, text]) => html`<option value="${value}" ${value === chosen && html` selected`}>${text}</option>`)}
      </select></label
    >`;
  return {
    id: 'find',
    title: 'Find',
    body: html`<form class="table-controls" action="/" method="get" role="search">
      <label
        >Search <input type="search" name="search" value="${search}" placeholder="Name, tag, setting, figure"
      /></label>
      ${select('state', 'State', state, [['', 'any'], ...runStates.map((each) => [each, each])])}
      ${select(
        'sort',
        'Order',
        sort,
        Object.entries(orders).map(([value, { label }]) => [value, label]),
      )}
      ${select(
        'group',
        'Group by',
        group,
        Object.keys(groupings).map((value) => [value, value]),
      )}
      <button type="submit">Show</button>
    </form>`,
  };
}

/** Section about what cannot be read, where there is any. */
function unreadSection(problems: RunScan['problems']): readonly Section[] {
  if (problems.length === 0) return [];
  const items = problems.map(({ message, remedy }) => html`<li>${message} ${remedy ?? ''}</li>`);
  return [
    {
      id: 'unread',
      title: 'Not readable',
      body: html`<ul>
        ${items}
      </ul>`,
    },
  ];
}

export function runsHead(runs: readonly Run[]): Pick<PageContent, 'title' | 'eyebrow' | 'totals'> {
  const counts = runStates.map((state) => ({
    label: state,
    count: runs.filter((run) => run.state === state).length,
  }));
  return {
    title: 'Runs',
    eyebrow: 'All pipelines',
    totals: [
      { label: plural(runs.length, 'run'), value: formatCount(runs.length) },
      ...counts.flatMap(({ label, count }) => (count > 0 ? [{ label, value: formatCount(count) }] : [])),
    ],
  };
}

export function runsSection(runs: readonly Run[], query: RunsQuery, measures: Measures): Section {
  const { page } = query;
  const found = chosenRuns(runs, query, measures);
  const pages = Math.max(1, Math.ceil(found.length / runsOnPage));
  const shown = found.slice((page - 1) * runsOnPage, page * runsOnPage);
  const groups = groupsOf(shown, query, measures);
  const nothing =
    runs.length === 0
      ? 'None yet: npx pipeline run FILE makes one.'
      : 'None that this asks for. Ask for less.';
  return {
    id: 'runs',
    title: pages > 1 ? `Page ${page} of ${pages}` : found.length < runs.length ? 'Runs found' : 'All runs',
    lead:
      shown.length === 0
        ? nothing
        : [
            found.length < runs.length && `${formatCount(found.length)} of ${counted(runs.length, 'run')}. `,
            'Choose two or more to compare what was set and what came of it.',
          ],
    body:
      shown.length === 0
        ? html``
        : html`<form action="/compare" method="get">
            ${table({
              label: 'Runs',
              kind: 'runs',
              columns: [
                { heading: html`<span class="unseen">Compare</span>` },
                { heading: 'Run', namesRows: true },
                { heading: 'State', kind: 'at-state' },
                { heading: 'Time', kind: 'duration' },
                'Stage and figures',
              ],
              rows:
                groups.length === 0
                  ? shown.map(row)
                  : groups.map(({ heading, runs: own }) => ({
                      heading: `${heading} · ${counted(own.length, 'run')}`,
                      rows: own.map(row),
                    })),
            })}
            <p class="actions"><button type="submit">Compare</button> ${pageLinks(query, pages)}</p>
          </form>`,
  };
}

/** Groups with their headings: those that were asked for, or of the best figures those that compare; none where all do. */
function groupsOf(
  runs: readonly Run[],
  { group, sort }: RunsQuery,
  measures: Measures,
): readonly { readonly heading: string; readonly runs: readonly Run[] }[] {
  if (group !== 'nothing')
    return Array.from(grouped(runs, groupings[group]), ([heading, own]) => ({ heading, runs: own }));
  const measured = grouped(runs, (run) => measures.get(run) ?? '');
  if (sort !== 'best' || measured.size < 2) return [];
  return Array.from(measured.values(), (own) => {
    const { stage, name } = headlineFigure(own[0]!) ?? {};
    const pipelines = [...new Set(own.map(({ record }) => record.pipeline))].join(', ');
    const judged = name === undefined ? 'no figure to compare by' : `${stage!} ${figure(name, 0).label}`;
    return { heading: `${judged} · ${pipelines}`, runs: own };
  });
}

function grouped(runs: readonly Run[], nameOf: (run: Run) => string): ReadonlyMap<string, readonly Run[]> {
  const groups = new Map<string, Run[]>();
  for (const run of runs) groups.set(nameOf(run), [...(groups.get(nameOf(run)) ?? []), run]);
  return groups;
}

function row(run: Run): Row {
  const { id, record, state, seconds, note } = run;
  const settings = settingsOf(run);
  return [
    html`<input type="checkbox" name="run" value="${id}" aria-label="Compare ${id}" />`,
    html`<a href="${pathOfRun(run)}"><bdi>${record.pipeline}</bdi></a>
      <small>${startOf(run)}</small> ${noteMarkup(note)}
      ${settings !== '' && html`<small class="settings">${settings}</small>`}`,
    stateBadge(state),
    formatDuration(seconds),
    [
      html`<span class="on-narrow"
        >${stateBadge(state)} · <span class="duration">${formatDuration(seconds)}</span></span
      > `,
      facts(run),
    ],
  ];
}

function facts(run: Run): Part {
  const { state, stage, progress, beside, record } = run;
  const failure = stage === undefined ? undefined : record.stages[stage]?.failure?.message;
  const share = progress && percentDone(progress);
  return [
    stage !== undefined && html`<b>${stage}</b> `,
    state === 'running' &&
      share !== undefined &&
      html`<span class="meter" style="--share:${share.toFixed(1)}%"></span> ${Math.floor(share)} %
        ${progress?.secondsLeft !== undefined && ` · ${formatDuration(progress.secondsLeft)} left`} `,
    ...beside.map(
      (other) =>
        html`<b>${other.stage}</b> ${
            other.progress &&
            `${Math.floor((100 * other.progress.done) / Math.max(other.progress.total, 1))} % `
          }`,
    ),
    failure ?? html`<span class="soft">${runFacts(run, shownFigures).join(' · ')}</span>`,
  ];
}

function pageLinks({ page, ...query }: RunsQuery, pages: number): Part {
  const link = (to: number, label: string) => {
    const address = new URLSearchParams({ ...query, page: String(to) });
    return html`<a href="/?${address.toString()}">${label}</a> `;
  };
  return [page > 1 && link(page - 1, 'Runs before these'), page < pages && link(page + 1, 'Further runs')];
}
