import { asWords, formatLarge, formatNumber, formatPercent } from '../base/format.js';
import type { Json } from '../runner/stage.js';

/** A number of a stage's summary, ready to be shown: `22.64 dB`, `peak signal-to-noise ratio`. */
export interface Figure {
  readonly name: string;
  readonly value: string;
  readonly label: string;
}

/** A stage's numbers in the order of its summary, the telling ones first. */
export function figuresOf(summary: Readonly<Record<string, Json>>): readonly Figure[] {
  const figures = Object.entries(summary).flatMap(([name, value]) =>
    typeof value === 'number' ? [figure(name, value)] : [],
  );
  const rank = ({ name }: Figure) => (telling.includes(name) ? telling.indexOf(name) : telling.length);
  return figures.toSorted((a, b) => rank(a) - rank(b));
}

/** A stage's numbers in a few words each, in the order of its summary: `images 3,802`, `PSNR 22.6 dB`. */
export function summaryFacts(summary: Readonly<Record<string, Json>>): readonly string[] {
  return Object.entries(summary).flatMap(([name, value]) =>
    typeof value === 'number' ? figureFact(name, value) : [],
  );
}

/** A number in a few words: `loss 0.1834`. */
export function figureFact(name: string, value: number): string {
  const { label, value: text } = figure(name, value);
  return `${label} ${text}`;
}

/** A number by the name that a summary or a log gives it. */
export function figure(name: string, value: number): Figure {
  const known = special[name];
  return {
    name,
    label: known?.label ?? asWords(name),
    value: (known?.format ?? formatNumber)(value),
  };
}

/** Figures that say most about a stage, wherever they occur. */
const telling: readonly string[] = [
  'peakSignalToNoiseDb',
  'images',
  'latents',
  'parameters',
  'steps',
  'samples',
];

interface Special {
  readonly label?: string;
  readonly format?: (value: number) => string;
}

const special: Readonly<Record<string, Special | undefined>> = {
  peakSignalToNoiseDb: { label: 'PSNR', format: (value) => `${value.toFixed(1)} dB` },
  parameters: { format: formatLarge },
  size: { format: (value) => `${value} px` },
  kl: { label: 'KL divergence' },
  lossQuartile1: { label: 'loss at times 0 to ¼' },
  lossQuartile2: { label: 'loss at times ¼ to ½' },
  lossQuartile3: { label: 'loss at times ½ to ¾' },
  lossQuartile4: { label: 'loss at times ¾ to 1' },
  matmulPeakShare: {
    label: 'share of bare matrix products’ rate',
    format: formatPercent,
  },
  idleShare: { label: 'time that the device was idle', format: formatPercent },
  peakMemoryMiB: { label: 'peak memory', format: (value) => `${formatNumber(value)} MiB` },
  fid: { label: 'FID' },
  sfid: { label: 'sFID' },
  inceptionScore: { label: 'Inception score' },
  latentFrechetDistance: { label: 'Fréchet distance of latents' },
  referenceImages: { label: 'images of the reference' },
};
