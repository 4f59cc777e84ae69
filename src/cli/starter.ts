import { basename } from 'node:path';
import { counted } from '../base/format.js';

/** Sizes that a starter pipeline may have, in pixels. */
export const starterSizes = [32, 64, 128, 256] as const;
export type StarterSize = (typeof starterSizes)[number];

/** A starter pipeline: what `pipeline init` has found and was told. */
export interface Starter {
  /** The pipeline file as commands name it. */
  readonly file: string;
  readonly name: string;
  /** Path of the images, relative to the pipeline file. */
  readonly path: string;
  readonly size: StarterSize;
  /** Number of images, and how many each class has. */
  readonly counts: readonly number[];
  /** False where images are in no folders of classes. Default true. */
  readonly hasClasses?: boolean;
  readonly budgetSeconds: number;
  /** A line about the machine and its measured speed, for the header. */
  readonly measured: string;
}

/** Lengths of the two trainings, in steps. */
export interface Lengths {
  readonly autoencoder: number;
  readonly train: number;
}

/** Times here, in seconds. */
export interface MeasuredSeconds {
  /** One step of the autoencoder; absent where it is fetched. */
  readonly autoencoder?: number;
  /** One step of the model. */
  readonly train: number;
  /** All stages but the trainings, and what sets these up. */
  readonly others: number;
}

/** A name that pipelines may have, from the path of images or of a file. */
export function starterName(path: string): string {
  const name = basename(path)
    .replace(/[{[(*?].*$/, '')
    .replace(/\.\w+$/, '')
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}+/gu, '')
    .replace(/[^a-z\d]+/g, '-')
    .slice(0, 40)
    .replace(/^-|-$/g, '');
  return name === '' || name === 'store' ? 'images' : name;
}

/** Choices that depend on the size of images. Small ones train an autoencoder of their own; large ones take the public one. */
const designs = {
  32: {
    autoencoder: { channels: [48, 64], batch: 32 },
    model: '{ hiddenSize: 192, depth: 6, heads: 4, patchSize: 2, mediators: 4 }',
    training: { globalBatch: 64, learningRate: '2e-3' },
  },
  64: {
    autoencoder: { channels: [32, 64], batch: 16 },
    model: '{ hiddenSize: 192, depth: 6, heads: 4, patchSize: 2, mediators: 16 }',
    training: { globalBatch: 32, learningRate: '1.5e-3' },
  },
  128: {
    model: '{ name: SiT-S/2, mediators: 16 }',
    training: { globalBatch: 32, learningRate: '5e-4' },
  },
  256: {
    model: '{ name: SiT-S/2, mediators: 64 }',
    training: { globalBatch: 32, learningRate: '2e-4' },
  },
} as const satisfies Record<StarterSize, unknown>;

/** Part of the trainings' time that an autoencoder of one's own takes. */
const autoencoderShare = 0.26;
/** Part of the budget that is left to the trainings, however long all else takes. */
const leastOfTrainings = 0.3;

/** True where the pipeline trains its autoencoder. */
export const trainsAutoencoder = (size: StarterSize): boolean => 'autoencoder' in designs[size];

/** Passes over the images beyond which a model learns them by heart. */
export const mostPasses = 2000;

const twoDigits = (value: number): number => Number(value.toPrecision(2));

/** Steps of training in which a model sees the images as often as is of use; a thousand at least. */
export const stepsOfPasses = ({ size, counts }: Pick<Starter, 'size' | 'counts'>): number =>
  Math.max(
    1000,
    twoDigits((mostPasses * counts.reduce((a, b) => a + b, 0)) / designs[size].training.globalBatch),
  );

/** The longest trainings that fit what all else leaves of the budget and are of use, at two significant digits; 20 steps at least. */
export function lengthsWithin(
  starter: Pick<Starter, 'size' | 'budgetSeconds' | 'counts'>,
  { autoencoder, train, others }: MeasuredSeconds,
): Lengths {
  const { budgetSeconds } = starter;
  const left = Math.max(budgetSeconds - others, leastOfTrainings * budgetSeconds);
  const most = stepsOfPasses(starter);
  const steps = (part: number, each: number): number =>
    Math.max(20, Math.min(most, twoDigits((left * part) / each)));
  return autoencoder === undefined
    ? { autoencoder: 0, train: steps(1, train) }
    : { autoencoder: steps(autoencoderShare, autoencoder), train: steps(1 - autoencoderShare, train) };
}

/**
 * Largest size that the images fill without being enlarged and that the budget allows for on such a machine.
 *
 * @param side median of the shorter sides of the images, in pixels
 */
export function suggestedSize(side: number, budgetSeconds: number, onGpu: boolean): StarterSize {
  const hours = (budgetSeconds / 3600) * (onGpu ? 20 : 1);
  const affordable: StarterSize = hours < 1 ? 32 : hours < 12 ? 64 : hours < 48 ? 128 : 256;
  return starterSizes.findLast((size) => size <= side && size <= affordable) ?? 32;
}

/** A line of YAML about one thing, with quotes where a plain text would mean something else. */
const text = (value: string): string =>
  /^[\w./-]+$/.test(value) && !/^[\d.-]+$/.test(value) ? value : JSON.stringify(value);

/** Sentences as comments of at most 120 columns. */
const comment = (sentences: string): string =>
  sentences
    .replace(/(.{1,118})(?: |$)/g, '$1\n')
    .trim()
    .replace(/^/gm, '# ');

/** The commented pipeline file. */
export function starterYaml(starter: Starter, lengths: Lengths): string {
  const { file, name, path, size, counts, measured, hasClasses = true } = starter;
  const design = designs[size];
  const { globalBatch, learningRate } = design.training;
  const isUneven = counts.length > 1 && Math.max(...counts) > 3 * Math.min(...counts);
  const rows = Math.min(counts.length, 12);
  const epochs = Math.max(1, Math.floor((lengths.train * globalBatch) / counts.reduce((a, b) => a + b, 0)));
  // Averages look back over about a tenth of the training.
  const ema = Math.min(0.9999, Number((1 - 10 / Math.max(lengths.train, 100)).toPrecision(4)));
  const autoencoder =
    'autoencoder' in design
      ? `    # Trained from scratch. More steps give sharper reconstructions, which bound how sharp samples can be.
    images: images
    channels: [${design.autoencoder.channels.join(', ')}]
    steps: ${lengths.autoencoder}
    batch: ${design.autoencoder.batch}`
      : `    # The public autoencoder of Stable Diffusion: fetched once (335 MB).
    weights: stabilityai/sd-vae-ft-ema`;
  const kinds = counted(counts.length, 'class', 'classes');
  return `# ${hasClasses ? kinds : 'Images without classes'} at ${size} pixels, written by npx pipeline init.
#
#   npx pipeline plan ${file}     what would run, and what it needs
#   npx pipeline run ${file}      trains, draws and ends with the path of a report; interrupted, it continues
#
${comment(measured)}
#
# Smoke profile, to see that everything works: every stage runs and learns nothing.
#   npx pipeline run ${file} ${smokeOptions(size).join('\n#     ')}
name: ${text(name)}
seed: 0

stages:
  images:
    uses: images
    path: ${text(path)}${hasClasses ? '' : '\n    labels: none'}
    size: ${size}
    # Images that are smaller are enlarged; \`skip\` leaves them out.
    smallImages: upscale
    # Train several resolutions by \`extends\`ing this file with another size.

  autoencoder:
    uses: autoencoder
${autoencoder}

  latents:
    uses: encode
    images: images
    autoencoder: autoencoder
    # Doubles the images where a mirrored one is as good: not with text, signs or flags.
    flips: false

  train:
    uses: train
    latents: latents
    # Fewer mediators (a square number) make attention cheaper; 0 is full attention.
    model: ${design.model}
${isUneven ? '    # Some classes have few images; all are to be learnt.\n    classSampling: balanced\n' : ''}    # About ${counted(epochs, 'pass', 'passes')} over the images.
    steps: ${lengths.train}
    globalBatch: ${globalBatch}
    learningRate: ${learningRate}
    schedule: cosine
    warmupSteps: ${Math.min(100, Math.ceil(lengths.train / 20))}
    gradientClip: 1
    ema: ${ema}

  sample:
    uses: sample
    model: train
    autoencoder: autoencoder
    count: ${9 * rows}
    sampler: { steps: 100, lastStepSize: 0.02 }
    # Higher follows the class more closely, with less variety; 1 is without guidance.
    guidanceScale: ${counts.length > 1 ? 3 : 1}

  evaluate:
    uses: evaluate
    samples: sample
    reference: images
    # Figures of a network trained on ImageNet (17 MB, fetched once). They rank samples of these images.
    metrics: [kernelDistance, precisionRecall${counts.length > 1 ? ', classAgreement' : ''}]

  report:
    uses: report
    title: ${text(name)}
    stages: [images, autoencoder, latents, train, sample, evaluate]

# Compare numbers of mediators: npx pipeline sweep ${file}
sweep:
  grid:
    stages.train.model.mediators: [4, 16]
`;
}

/** Options that make a run of the file short. */
function smokeOptions(size: StarterSize): readonly string[] {
  return [
    ...(trainsAutoencoder(size) ? ['--set stages.autoencoder.steps=20'] : []),
    '--set stages.train.steps=20',
    '--set stages.train.warmupSteps=1',
    '--set stages.sample.sampler.steps=10',
  ];
}
