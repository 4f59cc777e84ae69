import type { ChalkInstance } from 'chalk';
import stringWidth from 'string-width';
import { formatCount, formatDuration } from '../../base/format.js';
import type { ProgressMeter } from '../../runner/runs/progress-meter.js';
import { paceFacts, position } from './sentences.js';

/** The stage that is running, or being waited for. */
export interface ActiveStage {
  readonly stage: string;
  /** Shown until there is progress to show. */
  readonly notes: readonly string[];
  readonly resumed: boolean;
  /** Seconds, on the clock of `now`. */
  readonly since: number;
  readonly meter: ProgressMeter;
}

const widestBar = 36;
const narrowestBar = 8;

/** The running stage: its bar and position, and below them its pace. */
export function activeStageLines(
  { stage, notes, resumed, since, meter }: ActiveStage,
  idWidth: number,
  width: number,
  now: number,
  chalk: ChalkInstance,
): readonly string[] {
  const head = `${chalk.cyan('●')} ${chalk.bold(stage.padEnd(idWidth))}  `;
  const indent = idWidth + 4;
  const room = width - indent;
  const elapsed = formatDuration(now - since);
  const progress = meter.last;
  if (progress === undefined) {
    const note = [...(resumed ? ['continues'] : []), ...notes].join(', ');
    return [`${head}${chalk.dim(fit(joinFitting([note, elapsed], room), room))}`];
  }
  const share = progress.total > 0 ? Math.min(progress.done / progress.total, 1) : 0;
  const text = `${String(Math.floor(100 * share)).padStart(3)} %  ${position(progress)}`;
  const barWidth = Math.min(widestBar, room - stringWidth(text) - 1);
  const bar = barWidth < narrowestBar ? '' : `${drawBar(share, barWidth, chalk)} `;
  const facts = [...paceFacts(meter.pace, progress), elapsed];
  return [
    `${head}${bar}${fit(bar === '' ? text.trimStart() : text, room)}`,
    `${' '.repeat(indent)}${chalk.dim(joinFitting(facts, room))}`,
  ];
}

export function waitingStageLine(stage: string, width: number, chalk: ChalkInstance): string {
  return chalk.dim(fit(`○ ${stage}`, width));
}

export function readingLine(
  { stage, done }: { readonly stage: string; readonly done: number },
  width: number,
): string {
  return fit(`Reading the inputs of ${stage}: ${formatCount(done)} files so far`, width);
}

/** Cuts text to a width in terminal columns, marking where it was cut. */
export function fit(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let used = 0;
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += stringWidth(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Joins as many of the facts as fit, from the left. */
function joinFitting(facts: readonly string[], width: number): string {
  let text = '';
  for (const fact of facts) {
    const longer = text === '' ? fact : `${text} · ${fact}`;
    if (text !== '' && stringWidth(longer) > width) break;
    text = longer;
  }
  return fit(text, width);
}

export function drawBar(share: number, width: number, chalk: ChalkInstance): string {
  const full = Math.round(share * width);
  return `${chalk.cyan('━'.repeat(full))}${chalk.dim('─'.repeat(width - full))}`;
}
