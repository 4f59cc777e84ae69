import { basename, dirname } from 'node:path';
import { counted, formatCount, formatDuration, formatRate, inWords } from '../../base/format.js';
import { figureFact } from '../../pages/figures.js';
import type { RunEvent } from '../../runner/run/events.js';
import { runsRootOf } from '../../runner/runs-root.js';
import type { Pace } from '../../runner/runs/progress-meter.js';
import type { StageProgress } from '../../runner/stage.js';
import { commandPath, shortPath } from '../services.js';

/** Sentences that the terminal and plain lines share. */

type Of<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>;

export function waitingSentence({ holder }: Of<'stage-waiting'>): string {
  if (holder === undefined) return 'waiting for another process that is making the same output';
  const since = new Date(holder.since).toLocaleTimeString('en-GB');
  return `waiting for process ${holder.pid} on ${holder.host}, which has been making the same output since ${since}`;
}

export function damagedSentence({ output, problem, movedTo }: Of<'output-damaged'>): string {
  return `its output is damaged and will be made again: ${problem} in ${shortPath(output)}, now ${shortPath(movedTo)}`;
}

/** Formats progress, such as `5,200 of 10,000 steps`. */
export function position({ done, total, unit }: StageProgress): string {
  return `${formatCount(done)} of ${formatCount(total)} ${unit}`;
}

/** Rate, time left and figures, those that are known. */
export function paceFacts({ rate, secondsLeft }: Pace, progress: StageProgress): string[] {
  const facts: string[] = [];
  if (rate !== undefined) facts.push(formatRate(rate, progress.unit));
  if (secondsLeft !== undefined && secondsLeft > 0) facts.push(`${formatDuration(secondsLeft)} left`);
  for (const [name, value] of Object.entries(progress.figures ?? {})) facts.push(figureFact(name, value));
  return facts;
}

export function finishedSentence({ seconds, ran, cached }: Of<'run-finished'>): string {
  const parts = [
    ran > 0 ? `${stages(ran)} run` : '',
    cached === 0 ? '' : `${ran > 0 ? cached : stages(cached)} cached`,
  ];
  return `Done in ${formatDuration(seconds)}: ${parts.filter((part) => part !== '').join(', ')}.`;
}

/** Line about the lock, where there is anything to tell. */
export function lockSentences({ lock }: Of<'run-finished'>): readonly string[] {
  if (lock?.problem !== undefined) return [`The lock was not written: ${lock.problem}`];
  return lock?.changed === true ? [`Lock: ${shortPath(lock.path)}`] : [];
}

/** Lines about where the pages of a finished run are, each by what it is. */
export function pageLines(
  { pages }: Of<'run-finished'>,
  emphasized: (path: string) => string = (path) => path,
): readonly string[] {
  return pages.map(
    (page) =>
      `${basename(page) === 'playground.html' ? 'Playground' : 'Report'}: ${emphasized(shortPath(page))}`,
  );
}

/** Line on what can be done with a finished run: with its pages, and with its models where they can draw. */
export function nextSentence(
  { pipeline, directory, stages: all }: Of<'run-started'>,
  { pages }: Of<'run-finished'>,
): string {
  // Commands look for runs where a pipeline in the current folder has them.
  const runs = dirname(dirname(directory));
  const isFound = runs === runsRootOf(process.cwd(), undefined);
  const name = isFound ? pipeline : `${pipeline} --runs ${commandPath(runs)}`;
  const has = (...kinds: string[]): boolean => all.some(({ kind }) => kinds.includes(kind));
  const open = pages.length > 0 ? 'open the page above' : `write a page: npx pipeline report ${name}`;
  const draws = has('train', 'pretrained') && has('autoencoder') && !has('playground');
  return `Next: ${open}${draws ? `, or draw in a browser: npx pipeline playground ${name}` : ''}`;
}

export function interruptedSentence({ stages }: Of<'run-interrupted'>): string {
  return stages.length === 0
    ? 'Interrupted between stages. Run the same command to continue.'
    : `Interrupted in ${inWords(stages)}. Run the same command to continue.`;
}

/** Line about the stages that run beside one that failed, where there are any. */
export function runningOnSentences({ running = [] }: Of<'stage-failed'>): readonly string[] {
  if (running.length === 0) return [];
  const goes = running.length === 1 ? 'runs to its end' : 'run to their end';
  return [`${inWords(running)} ${goes}; no other stage starts. Ctrl-C interrupts.`];
}

/** Words that a run begins with: `6 stages on NVIDIA H200`, `2 stages` where nothing computes. */
export function outlook({ stages: all, computesOn: device }: Of<'run-started'>): string {
  if (device === undefined) return stages(all.length);
  return `${stages(all.length)} on ${device === 'processor' ? 'the processor' : device}`;
}

const stages = (count: number): string => counted(count, 'stage');

/** Time of a finished stage: that of this session, and of all where there were several. */
export function stageTime({ seconds, totalSeconds }: Of<'stage-finished'>): string {
  const several = totalSeconds - seconds > Math.max(1, 0.05 * totalSeconds);
  return several
    ? `${formatDuration(seconds)} (${formatDuration(totalSeconds)} with earlier sessions)`
    : formatDuration(seconds);
}
