import { counted, formatCount, formatDuration } from '../../base/format.js';
import { figure, runFacts } from '../../pages/figures.js';
import { html, type Part, type Section } from '../../pages/html.js';
import { type PageContent, renderPage, type Site } from '../../pages/page.js';
import { type Row, table } from '../../pages/table.js';
import type { RunScan } from '../../runner/runs/find-runs.js';
import { runStates } from '../../runner/run/events.js';
import type { Run } from '../../runner/runs/run.js';
import { percentDone } from '../../runner/stage.js';
import { shortNames } from '../../runner/sweep/trial.js';
import { pathOfRun } from './comparison-page.js';
import { noteMarkup, stateBadge } from './run-stages.js';

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

/** Order by the figure that runs are judged by, the best first: runs of one figure beside each other, those without one last. */
function byFigure(a: Run, b: Run): number {
  const [one, other] = [a, b].map(({ figures }) => figures.find(({ better }) => better !== undefined));
  if (one === undefined || other === undefined)
    return Number(one === undefined) - Number(other === undefined);
  if (one.name !== other.name) return one.name < other.name ? -1 : 1;
  return one.better === 'less' ? one.value - other.value : other.value - one.value;
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
function chosenRuns(runs: readonly Run[], { search, state, sort, group }: RunsQuery): readonly Run[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const groupOf = groupings[group];
  const found = runs
    .toReversed()
    .filter((run) => state === '' || run.state === state)
    .filter((run) => words.length === 0 || words.every((word) => textOf(run).includes(word)))
    .sort(orders[sort].compare);
  const order = [...new Set(found.map(groupOf))];
  return found.sort((a, b) => order.indexOf(groupOf(a)) - order.indexOf(groupOf(b)));
}

/** Page of all runs, the latest first unless it is asked for another order. */
export function runsPage({ runs, problems }: RunScan, query: RunsQuery, site: Site): string {
  return renderPage({
    ...runsHead(runs),
    sections: [
      ...(runs.length > 0 ? [querySection(query)] : []),
      runsSection(runs, query),
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
      { label: counted(runs.length, 'run').replace(/^\S+ /, ''), value: formatCount(runs.length) },
      ...counts.flatMap(({ label, count }) => (count > 0 ? [{ label, value: formatCount(count) }] : [])),
    ],
  };
}

export function runsSection(runs: readonly Run[], query: RunsQuery): Section {
  const { page, group } = query;
  const found = chosenRuns(runs, query);
  const pages = Math.max(1, Math.ceil(found.length / runsOnPage));
  const shown = found.slice((page - 1) * runsOnPage, page * runsOnPage);
  const groups = new Map<string, Run[]>();
  for (const run of shown) {
    const name = groupings[group](run);
    groups.set(name, [...(groups.get(name) ?? []), run]);
  }
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
                group === 'nothing'
                  ? shown.map(row)
                  : Array.from(groups, ([heading, own]) => ({
                      heading: `${heading} · ${counted(own.length, 'run')}`,
                      rows: own.map(row),
                    })),
            })}
            <p class="actions"><button type="submit">Compare</button> ${pageLinks(query, pages)}</p>
          </form>`,
  };
}

function row(run: Run): Row {
  const { id, record, state, seconds, note } = run;
  const time = id.slice(id.lastIndexOf('/') + 1).replace(/\.\d+Z/, '');
  return [
    html`<input type="checkbox" name="run" value="${id}" aria-label="Compare ${id}" />`,
    html`<a href="${pathOfRun(run)}"><bdi>${record.pipeline}</bdi></a>
      <small>${time}</small> ${noteMarkup(note)} ${settings(run)}`,
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

/** Values that a run was started with in place of its file's, such as those of a trial. */
function settings({ record }: Run): Part {
  const pairs = record.options.set.map(
    (setting) => /^([^=]*)=(.*)$/s.exec(setting)?.slice(1) ?? [setting, ''],
  );
  const names = shortNames(pairs.map(([key]) => key!));
  return (
    pairs.length > 0 &&
    html`<small class="settings"
      >${pairs.map(([key, value]) => `${names.get(key!)!} ${value!}`).join(', ')}</small
    >`
  );
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
