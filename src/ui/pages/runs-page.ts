import { capitalized, counted, formatCount, formatDuration } from '../../base/format.js';
import { figure } from '../../pages/figures.js';
import { html, type Part, type Section } from '../../pages/html.js';
import { type PageContent, renderPage, type Site } from '../../pages/page.js';
import { type Row, table } from '../../pages/table.js';
import type { RunScan } from '../../runner/runs/find-runs.js';
import { runStates } from '../../runner/run/events.js';
import type { Run } from '../../runner/runs/run.js';
import { pathOfRun } from './comparison-page.js';
import { noteMarkup, stateBadge } from './run-stages.js';

/** Runs on one page; older ones are on the next. */
const runsOnPage = 100;

const shownFigures = 3;

/** Page of all runs, the latest first. */
export function runsPage({ runs, problems }: RunScan, page: number, site: Site): string {
  return renderPage({
    ...runsHead(runs),
    sections: [runsSection(runs, page), ...unreadSection(problems)],
    site,
  });
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

export function runsSection(runs: readonly Run[], page: number): Section {
  const pages = Math.max(1, Math.ceil(runs.length / runsOnPage));
  const shown = runs.toReversed().slice((page - 1) * runsOnPage, page * runsOnPage);
  return {
    id: 'runs',
    title: pages > 1 ? `Page ${page} of ${pages}` : 'All runs',
    lead:
      shown.length === 0
        ? 'None yet: npx pipeline run FILE makes one.'
        : 'Choose two or more to compare what was set and what came of it.',
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
                'State',
                { heading: 'Time', kind: 'duration' },
                'Stage and figures',
              ],
              rows: shown.map(row),
            })}
            <p class="actions"><button type="submit">Compare</button> ${pageLinks(page, pages)}</p>
          </form>`,
  };
}

function row(run: Run): Row {
  const { id, record, state, seconds, note } = run;
  const time = id.slice(id.lastIndexOf('/') + 1).replace(/\.\d+Z/, '');
  return [
    html`<input type="checkbox" name="run" value="${id}" aria-label="Compare ${id}" />`,
    html`<a href="${pathOfRun(run)}"><bdi>${record.pipeline}</bdi></a>
      <small>${time}</small> ${noteMarkup(note)}`,
    stateBadge(state),
    formatDuration(seconds),
    facts(run),
  ];
}

function facts({ state, stage, progress, beside, figures, record }: Run): Part {
  const current =
    state === 'running' && stage !== undefined
      ? Object.entries(progress?.figures ?? {}).map(([name, value]) => ({ stage, name, value }))
      : [];
  const others = figures.filter(
    (one) => !current.some((own) => own.stage === one.stage && own.name === one.name),
  );
  const shown = [...current, ...others].slice(0, shownFigures).map(({ name, value }) => {
    const { label, value: text } = figure(name, value);
    return `${capitalized(label)} ${text}`;
  });
  const failure = stage === undefined ? undefined : record.stages[stage]?.failure?.message;
  const share = progress && progress.total > 0 ? (100 * progress.done) / progress.total : undefined;
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
    failure ?? html`<span class="soft">${shown.join(' · ')}</span>`,
  ];
}

function pageLinks(page: number, pages: number): Part {
  const link = (to: number, label: string) => html`<a href="/?page=${to}">${label}</a> `;
  return [page > 1 && link(page - 1, 'Later runs'), page < pages && link(page + 1, 'Earlier runs')];
}
