import { counted } from '../../base/format.js';
import type { MetricsRecord } from '../../formats/metrics-log.js';
import { type Html, html, spreadToEnd } from '../html.js';
import { firstSmoothing, seriesOf } from './axes.js';
import { axis, chart, distinctLines, showsMoreOnLog } from './chart.js';
import type { Axes, Curve, SeedGroup } from './chart.js';

/** A run, or a stage of one, with what it logged by step. */
export interface Logged {
  readonly name: string;
  readonly line: number;
  /** Numbers of all runs that have these curves in common, where several do. */
  readonly runs?: readonly number[];
  /** Settings that it has in common with the runs that differ from it in their seed alone; absent where no seeds differ. */
  readonly seeds?: string | undefined;
  readonly metrics: readonly MetricsRecord[];
}

/** Figures that say how the work went, not what came of it: their charts are opened by who asks. */
const figuresOfWork: ReadonlySet<string> = new Set([
  ...['gradientNorm', 'learningRate', 'imagesPerSecond', 'secondsPerStep', 'matmulPeakShare'],
  ...['peakMemoryMiB', 'idleShare'],
]);

/** Points of a run's pace at most: between them it is even enough. */
const mostPoints = 100;

/**
 * A chart for each figure that runs logged, the loss first, with what can be chosen of them: the scale, what is across,
 * how smooth they are, and whether runs that differ in their seed alone are one.
 */
export function chartsFrame(id: string, runs: readonly Logged[], extra?: Html): Html {
  const figures = new Map<string, Curve[]>();
  for (const [run, { name, line, metrics }] of runs.entries())
    for (const series of seriesOf(metrics))
      figures.set(series.name, [...(figures.get(series.name) ?? []), { run, name, line, series }]);
  const main = figures.get('loss') ?? [...figures.values()][0]!;
  const others = [...figures].filter(([, curves]) => curves !== main);
  const [telling, ofWork] = [false, true].map((isOfWork) =>
    others.flatMap(([name, curves]) => (figuresOfWork.has(name) === isOfWork ? [curves] : [])),
  ) as [Curve[][], Curve[][]];
  const isLog = showsMoreOnLog(main.flatMap(({ series }) => series.values));
  const paces = runs.map(({ metrics }) => paceOf(metrics));
  const { axes, units } = axesOf(
    [...figures.values()].flat().flatMap(({ series }) => series.steps),
    paces,
  );
  const groups = groupsOf(runs);
  const one = (curves: readonly Curve[], size: 'large' | 'small') =>
    chart(curves, { id: `${id}-${curves[0]!.series.name}`, size, axes, isLog, groups });
  const data = {
    across: {
      step: axes.step.domain,
      ...Object.fromEntries(units.map(({ kind, unit, domain }) => [kind, domain.map((end) => end * unit)])),
    },
    runs: paces.map((pace, i) => ({
      ...pace,
      numbers: runs[i]!.runs ?? [runs[i]!.line],
      group: groups.findIndex((group) => group.runs.includes(i)),
    })),
    groups: groups.map(({ line }) => line),
  };
  return html`<div class="curves" data-curves="${JSON.stringify(data)}">
    <div class="choices">
      ${choice(id, 'scale', 'Scale', isLog ? 'log' : 'linear', [
        ['linear', 'Linear'],
        ['log', 'Logarithmic'],
      ])}
      ${
        units.length > 0 &&
        choice(id, 'across', 'Across', 'step', [
          ['step', 'Steps'],
          ...units.map(({ kind, label }) => [kind, label] as const),
        ])
      }
      ${
        runs.length > distinctLines &&
        choice(id, 'many', 'Curves', String(distinctLines), [
          [String(distinctLines), `Best ${distinctLines}`],
          [String(runs.length), `All ${runs.length}`],
        ])
      }
      ${
        groups.length > 0 &&
        choice(id, 'seeds', 'Seeds', 'mean', [
          ['mean', 'Mean and range'],
          ['each', 'Each'],
        ])
      }
      <label class="smoothing" hidden
        >Smoothing
        <input
          type="range"
          name="${id}-smoothing"
          min="0"
          max="0.99"
          step="0.01"
          value="${firstSmoothing}"
        /><output>${firstSmoothing}</output></label
      >
    </div>
    ${one(main, 'large')}
    ${telling.length > 0 && html`<div class="small-charts">${telling.map((curves) => one(curves, 'small'))}</div>`}
    ${
      ofWork.length > 0 &&
      html`<details class="of-work">
        <summary>How the work went</summary>
        <div class="small-charts">${ofWork.map((curves) => one(curves, 'small'))}</div>
      </details>`
    }
    ${extra}
  </div>`;
}

/** Radio buttons beside each other; shown where scripts run. */
function choice(
  id: string,
  kind: string,
  legend: string,
  first: string,
  options: readonly (readonly [value: string, label: string])[],
): Html {
  return html`<fieldset class="choice ${kind}" hidden>
    <legend>${legend}</legend>
    ${options.map(
      ([value, label]) =>
        html`<label
          ><input
            type="radio"
            name="${id}-${kind}"
            class="${value}-${kind}"
            value="${value}"
            ${value === first && html` checked`}
          /><span>${label}</span></label
        >`,
    )}
  </fieldset>`;
}

/** Time and images of a training by its steps. */
interface Pace {
  readonly steps: readonly number[];
  /** Seconds that it worked until these steps; pauses between sessions are left out. */
  readonly seconds: readonly number[];
  /** Images of a step. */
  readonly images: number;
}

/** The pace of a training, as it logged it; nothing where it did not. */
function paceOf(metrics: readonly MetricsRecord[]): Pace | undefined {
  const isPaced = ({ secondsPerStep, imagesPerSecond }: MetricsRecord) =>
    Number.isFinite(secondsPerStep) && Number.isFinite(imagesPerSecond);
  const first = metrics.find(isPaced);
  if (first === undefined) return undefined;
  let rate = first.secondsPerStep!;
  let [step, seconds] = [0, 0];
  const points = metrics.map((record): readonly [number, number] => {
    if (isPaced(record)) rate = record.secondsPerStep!;
    seconds += rate * (record.step - step);
    step = record.step;
    return [step, seconds];
  });
  const shown = spreadToEnd([[0, 0] as const, ...points], mostPoints);
  return {
    steps: shown.map(([at]) => at),
    seconds: shown.map(([, time]) => Number(time.toPrecision(6))),
    images: Math.round(first.secondsPerStep! * first.imagesPerSecond!),
  };
}

interface OtherAxis {
  readonly kind: 'time' | 'images';
  readonly label: string;
  readonly unit: number;
  readonly domain: readonly [number, number];
}

/** The axes that all charts of a frame share: those besides the steps where every run tells of them. */
function axesOf(
  steps: readonly number[],
  paces: readonly (Pace | undefined)[],
): { readonly axes: Axes; readonly units: readonly OtherAxis[] } {
  const step = axis(steps);
  if (paces.includes(undefined)) return { axes: { step, others: [] }, units: [] };
  const known = paces as readonly Pace[];
  const seconds = known.flatMap((pace) => pace.seconds);
  const longest = seconds.reduce((a, b) => Math.max(a, b), 0);
  const [unit, word] = longest < 120 ? [1, 's'] : longest < 7200 ? [60, 'min'] : [3600, 'h'];
  const time = axis(seconds, unit);
  const images = axis(known.flatMap((pace) => [0, pace.steps.at(-1)! * pace.images]));
  return {
    axes: {
      step,
      others: [
        { kind: 'time', scale: time },
        { kind: 'images', scale: images },
      ],
    },
    units: [
      { kind: 'time', label: `Time (${word})`, unit, domain: time.domain },
      { kind: 'images', label: 'Images seen', unit: 1, domain: images.domain },
    ],
  };
}

/** Groups of runs that differ in their seed alone, where any has several. */
function groupsOf(runs: readonly Logged[]): readonly (SeedGroup & { readonly runs: readonly number[] })[] {
  const groups = new Map<string, number[]>();
  for (const [run, { seeds = `run ${run}` }] of runs.entries())
    groups.set(seeds, [...(groups.get(seeds) ?? []), run]);
  if (![...groups.values()].some(({ length }) => length > 1)) return [];
  return Array.from(groups.values(), (own) => {
    const { seeds, name, line } = runs[own[0]!]!;
    const count = own.length > 1 && counted(own.length, 'seed');
    return { line, runs: own, name: count ? [seeds, count].filter(Boolean).join(', ') : name };
  });
}
