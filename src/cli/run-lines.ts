import type { ChalkInstance } from 'chalk';
import { formatDuration } from '../base/format.js';
import { runFacts } from '../pages/figures.js';
import { percentDone } from '../runner/stage.js';
import { noteLine } from '../runner/runs/note.js';
import type { RunState } from '../runner/run/events.js';
import type { Run, StageAtWork } from '../runner/runs/run.js';
import { settingsOf } from '../runner/runs/settings.js';
import type { Column } from './table.js';

/** Number of a run's figures in a line. */
const shownFigures = 4;

/** Runs as a table, a row each; the last two columns tell what each was started with, and what came of it. */
export function runColumns(runs: readonly Run[], chalk: ChalkInstance, now = new Date()): readonly Column[] {
  const ids = shortIds(runs);
  return [
    { heading: 'run', cells: runs.map((run) => ({ text: ids.get(run)!, style: idStyle(chalk) })) },
    {
      heading: 'state',
      cells: runs.map(({ state }) => ({
        text: `${stateMarks[state]} ${state}`,
        style: stateStyle(state, chalk),
      })),
    },
    {
      heading: 'started',
      leaveOut: 1,
      cells: runs.map(({ record }) => ({ text: formatStart(new Date(record.startedAt), now) })),
    },
    {
      heading: 'time',
      align: 'right',
      cells: runs.map(({ seconds }) => ({ text: formatDuration(seconds) })),
    },
    ...(runs.some(({ note }) => note !== undefined)
      ? [
          {
            heading: 'note',
            flexible: true,
            cells: runs.map(({ note }) => ({ text: note ? noteLine(note) : '' })),
          },
        ]
      : []),
    { heading: 'settings', flexible: true, cells: runs.map((run) => ({ text: settingsOf(run) })) },
    {
      heading: 'stage and figures',
      flexible: true,
      below: true,
      cells: runs.map((run) => ({ text: [...stageFacts(run), ...runFacts(run, shownFigures)].join(' · ') })),
    },
  ];
}

const stateMarks: Readonly<Record<RunState, string>> = {
  running: '●',
  finished: '✓',
  failed: '✗',
  interrupted: '‖',
  died: '†',
};

function stateStyle(state: RunState, chalk: ChalkInstance): (text: string) => string {
  const styles: Readonly<Record<RunState, (text: string) => string>> = {
    running: chalk.cyan,
    finished: chalk.green,
    failed: chalk.red,
    interrupted: chalk.yellow,
    died: chalk.red,
  };
  return styles[state];
}

/** The pipeline dim, the time not. */
const idStyle =
  ({ dim }: ChalkInstance) =>
  (id: string): string => {
    const slash = id.lastIndexOf('/') + 1;
    return dim(id.slice(0, slash)) + id.slice(slash);
  };

/** Ids without fractions of a second, where that is enough to tell runs apart. They are taken wherever a run is named. */
export function shortIds(runs: readonly Run[]): ReadonlyMap<Run, string> {
  const short = (id: string) => id.replace(/\.\d+Z(?=-\d+$|$)/, '');
  const count = new Map<string, number>();
  for (const { id } of runs) count.set(short(id), (count.get(short(id)) ?? 0) + 1);
  return new Map(runs.map((run) => [run, count.get(short(run.id)) === 1 ? short(run.id) : run.id]));
}

function stageFacts({ state, stage, progress, beside, record }: Run): readonly string[] {
  if (stage === undefined) return [];
  const left =
    state === 'running' && progress?.secondsLeft !== undefined && progress.secondsLeft > 0
      ? [`${formatDuration(progress.secondsLeft)} left`]
      : [];
  const failure = record.stages[stage]?.failure?.message;
  return [
    failure === undefined ? withPercent({ stage, ...(progress && { progress }) }) : `${stage}: ${failure}`,
    ...left,
    ...beside.map(withPercent),
  ];
}

/** Names a stage with its progress, such as `train 42 %`. */
function withPercent({ stage, progress }: StageAtWork): string {
  const percent = progress && percentDone(progress);
  return percent === undefined ? stage : `${stage} ${Math.floor(percent)} %`;
}

/** Formats a time on this machine's clock: `today 08:04`, `yesterday 21:10`, `24 Nov 21:10`, `24 Nov 2025`. */
function formatStart(start: Date, now: Date): string {
  const time = clock.format(start);
  const days = (startOfDay(now) - startOfDay(start)) / 86_400_000;
  if (Math.abs(days) < 0.5) return `today ${time}`;
  if (days > 0 && days < 1.5) return `yesterday ${time}`;
  return start.getFullYear() === now.getFullYear() ? `${day.format(start)} ${time}` : dayOfYear.format(start);
}

// Made once: making one takes longer than a hundred uses of it.
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const dayOfYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

const startOfDay = (date: Date): number => new Date(date).setHours(0, 0, 0, 0);
