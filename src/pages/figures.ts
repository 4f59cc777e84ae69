import { asWords, formatLarge, formatNumber, formatPercent } from '../base/format.js';
import { rankOf, type RunFigure } from '../runner/runs/figures.js';
import type { Run } from '../runner/runs/run.js';
import type { Headline, Json } from '../runner/stage.js';

/** A number of a stage's summary, ready to be shown: `22.64 dB`, `peak signal-to-noise ratio`. */
export interface Figure {
  readonly name: string;
  readonly value: string;
  readonly label: string;
}

/** Result of a stage, as outputs, records and events hold it. */
export interface StageNumbers {
  readonly summary: Readonly<Record<string, Json>>;
  readonly headline?: Headline;
  /** Last figures of its progress. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** Mark of the best of several values. */
export const bestMark = '★';

/**
 * A stage's numbers in the order of its summary: the one by which it is compared with others comes first, and what it
 * took comes last.
 */
export function figuresOf({ summary, headline, figures = {} }: StageNumbers): readonly Figure[] {
  const value = headline && figures[headline.name];
  const numbers = Object.entries({ ...(value !== undefined && { [headline!.name]: value }), ...summary });
  const rank = (name: string): number => rankOf(name === headline?.name ? headline : { name });
  return numbers
    .flatMap(([name, number]) => (typeof number === 'number' ? [figure(name, number)] : []))
    .sort((a, b) => rank(a.name) - rank(b.name));
}

/** A stage's numbers in a few words each, in that order: `PSNR 22.6 dB`, `images 3,802`. */
export function summaryFacts(numbers: StageNumbers): readonly string[] {
  return figuresOf(numbers).map(({ label, value }) => `${label} ${value}`);
}

/** A number in a few words: `loss 0.1834`. */
export function figureFact(name: string, value: number): string {
  const { label, value: text } = figure(name, value);
  return `${label} ${text}`;
}

/**
 * Figures of a run in words, at most `most`: those of the stage that it is at, then those by which it is judged. The stage
 * is named where two of them have one name.
 */
export function runFacts({ state, stage, progress, figures }: Run, most: number): readonly string[] {
  const live: readonly RunFigure[] =
    state === 'running' && stage !== undefined
      ? Object.entries(progress?.figures ?? {}).map(([name, value]) => ({ stage, name, value }))
      : [];
  const others = figures.filter(
    (other) => !live.some(({ name, stage: own }) => own === other.stage && name === other.name),
  );
  const shown = [...live, ...others].slice(0, most);
  return shown.map(({ stage: own, name, value }) => {
    const repeated = shown.filter((other) => other.name === name).length > 1;
    return `${repeated ? `${own} ` : ''}${figureFact(name, value)}`;
  });
}

/** A number by the name that a summary or a log gives it. */
export function figure(name: string, value: number): Figure {
  const known = special[name];
  return {
    name,
    label: known?.label ?? asWords(name),
    value: (known?.format ?? defaultFormat)(value, name),
  };
}

function defaultFormat(value: number, name: string): string {
  const unit = unitOf(name);
  return `${formatNumber(measured(name, value))}${unit && ` ${unit}`}`;
}

/** Unit in which a figure is shown, wherever it is: with its value, and beside the axis of its curve. */
export const unitOf = (name: string): string => special[name]?.unit ?? '';

/** A figure's value in its unit. */
export const measured = (name: string, value: number): number => value * (special[name]?.times ?? 1);

interface Special {
  readonly label?: string;
  readonly format?: (value: number) => string;
  readonly unit?: string;
  /** Values in the unit for each one as it is logged: one is 1. */
  readonly times?: number;
}

const percent = { unit: '%', times: 100, format: formatPercent };
/** Memory is logged in binary megabytes during a training, and summed up in decimal ones. */
const megabytesPerMiB = 2 ** 20 / 1e6;

const special: Readonly<Record<string, Special | undefined>> = {
  peakSignalToNoiseDb: { label: 'PSNR', unit: 'dB', format: (value) => `${value.toFixed(1)} dB` },
  parameters: { format: formatLarge },
  size: { unit: 'px' },
  averageError: { label: 'share that the average lacks', ...percent },
  kl: { label: 'KL divergence' },
  lossQuartile1: { label: 'loss at times 0 to ¼' },
  lossQuartile2: { label: 'loss at times ¼ to ½' },
  lossQuartile3: { label: 'loss at times ½ to ¾' },
  lossQuartile4: { label: 'loss at times ¾ to 1' },
  matmulPeakShare: { label: 'share of bare matrix products’ rate', ...percent },
  idleShare: { label: 'device idle', ...percent },
  idlePercent: { label: 'device idle', unit: '%' },
  secondsPerStep: { label: 'time of a step', unit: 's' },
  peakMemoryMegabytes: { label: 'peak memory', unit: 'MB' },
  expectedMemoryMegabytes: { label: 'expected memory', unit: 'MB' },
  peakMemoryMiB: { label: 'peak memory', unit: 'MB', times: megabytesPerMiB },
  fid: { label: 'FID' },
  sfid: { label: 'sFID' },
  inceptionScore: { label: 'Inception score' },
  frechetDistance: { label: 'Fréchet distance' },
  frechetDistanceError: { label: 'standard error of the Fréchet distance' },
  fidError: { label: 'standard error of FID' },
  latentFrechetDistanceError: { label: 'standard error of the Fréchet distance of latents' },
  kernelDistanceError: { label: 'standard error of the kernel distance' },
  latentFrechetDistance: { label: 'Fréchet distance of latents' },
  referenceImages: { label: 'images of the reference' },
};
