import type { Schema } from '../../src/runner/schema/schema.js';

const small =
  'model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 4 }, steps: 2, globalBatch: 4';
const paths = 'kind: ode, method: heun, steps: 4';

/**
 * Stages beside those of the tiny pipeline, so that every key that names an input is used, with every kind of stage that
 * it may name. `model` and `coder` are copies of what `train` and `autoencoder` left, `given.npz` of samples.
 */
export const stages = `
  labelled: { uses: images, path: data, size: 16, labels: { file: labels.csv, image: file, label: kind } }
  named: { uses: images, path: data, size: 16, classNames: names.txt }
  coder: { uses: autoencoder, weights: coder }
  foreign: { uses: latents, path: foreign, autoencoder: autoencoder, scale: 1, classNames: foreign.txt }
  taken: { uses: pretrained, path: model, classes: { file: classes.txt } }
  file: { uses: pretrained, path: model/checkpoints/step-000000040/average.safetensors }
  again: { uses: train, latents: latents, start: train, samples: { everySteps: 2, autoencoder: coder, count: 2, steps: 2 }, ${small} }
  carried: { uses: train, latents: latents, start: taken, ${small} }
  taught: { uses: train, latents: latents, teacher: { model: train }, ${small} }
  taughtByTaken: { uses: train, latents: latents, teacher: { model: taken }, ${small} }
  sketched: { uses: draw, model: train, count: 4, steps: 2 }
  sketchedByTaken: { uses: draw, model: taken, count: 4, steps: 2 }
  onSketched: { uses: train, latents: sketched, ${small} }
  measured: { uses: attention, model: whole, mediators: [1, 4], count: 2, times: 1, steps: 2 }
  measuredTaken: { uses: attention, model: taken, mediators: [1], count: 2, times: 1, steps: 2 }
  whole: { uses: train, latents: latents, model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 0 }, steps: 2, globalBatch: 4 }
  started: { uses: train, latents: latents, start: { path: model, classes: { file: classes.txt } }, ${small} }
  crops: { uses: train, images: images, autoencoder: autoencoder, crop: random, ${small} }
  judged: { uses: train, latents: latents, evaluate: { everySteps: 2, autoencoder: coder, reference: images, metrics: [kernelDistance], count: 4, steps: 2 }, ${small} }
  alignedToImages: { uses: train, latents: latents, featureAlignment: { images: images }, ${small} }
  onForeign: { uses: train, latents: foreign, ${small} }
  drawn: { uses: sample, model: taken, guidance: { scale: 2, model: train }, autoencoder: coder, count: 4, sampler: { steps: 4 } }
  phased: { uses: sample, phases: [{ model: taken, switchRatio: 0.9 }, { model: train }], guidance: { scale: 2, model: taken }, autoencoder: autoencoder, count: 4, sampler: { steps: 4 }, firstSteps: 1 }
  back: { uses: sample, model: train, autoencoder: autoencoder, reverse: latents, count: 2, sampler: { ${paths} } }
  backForeign: { uses: sample, model: onForeign, autoencoder: autoencoder, reverse: foreign, count: 2, sampler: { ${paths} } }
  scored: { uses: evaluate, samples: sample, reference: images, metrics: [fid, latentFrechetDistance], inceptionFile: inception.pb, autoencoder: autoencoder }
  scoredByDrawn: { uses: evaluate, samples: sample, reference: drawn, metrics: [latentFrechetDistance], autoencoder: autoencoder }
  scoredByLatents: { uses: evaluate, samples: sample, reference: latents, metrics: [latentFrechetDistance], autoencoder: autoencoder }
  scoredByForeign: { uses: evaluate, samples: sample, reference: foreign, metrics: [latentFrechetDistance], autoencoder: autoencoder }
  imagesScored: { uses: evaluate, samples: images, reference: sample, metrics: [latentFrechetDistance], autoencoder: autoencoder }
  played: { uses: playground, model: train, guidance: { scale: 2, model: taken }, autoencoder: autoencoder, sampler: { steps: 4 } }
  playedTaken: { uses: playground, model: taken, guidance: { scale: 2, model: train }, autoencoder: autoencoder, sampler: { steps: 4 } }
  playedPhases: { uses: playground, phases: [{ model: taken, switchRatio: 0.9 }, { model: train }], autoencoder: autoencoder, sampler: { steps: 4 }, firstSteps: 1 }
  compared: { uses: evaluate, samplesFile: given.npz, referenceFile: reference.npz, metrics: [latentFrechetDistance], autoencoder: autoencoder }
  boxed: { uses: images, path: boxed.zip, size: 16, smallImages: upscale }
  boxedLatents: { uses: encode, images: boxed, autoencoder: autoencoder }
  foreignFiles: { uses: latents, path: 'lightning/latents_rank*.safetensors', autoencoder: autoencoder, scale: 1 }
  sharded: { uses: pretrained, path: shards/average.safetensors.index.json }
  shardedCoder: { uses: autoencoder, weights: vae/diffusion_pytorch_model.safetensors.index.json }
  everything: { uses: report, stages: [coder, foreign, taken, phased, back, scored] }
`;

const data = 'data/*/#.png';
const average = 'checkpoints/step-#/average.safetensors';
const imageFiles = ['images/index.jsonl', 'images/set.json', data];
const coderFiles = ['autoencoder/autoencoder.json', `autoencoder/${average}`];
const takenCoderFiles = ['coder/autoencoder.json', 'coder/weights.safetensors'];
const modelFiles = ['train/model.json', `train/${average}`];
const takenModelFiles = ['taken/model.json', 'taken/ema.safetensors'];
const latentFiles = ['latents/index.json', 'latents/latents-#.safetensors'];
const foreignFiles = ['foreign/index.json', 'foreign/labels.npz', 'foreign/n#/#.JPEG.npz'];
const drawnFiles = (stage: string) => [`${stage}/samples.npz`, `${stage}/samples.json`];
/** A training as the next continues it. */
const trainingFiles = (folder: string) => [
  `${folder}/model.json`,
  ...['average', 'firstMoment', 'secondMoment', 'weights'].map(
    (name) => `${folder}/checkpoints/step-#/${name}.safetensors`,
  ),
  `${folder}/checkpoints/step-#/manifest.json`,
];
const modelFolder = [...trainingFiles('model'), 'model/manifest.json'];

/**
 * Files that each stage reads: digits stand for others, a star for a class. Those of its inputs that are not listed it
 * does not read, as is tried as well.
 */
export const read: Readonly<Record<string, readonly string[]>> = {
  images: [data],
  labelled: [data, 'labels.csv'],
  named: [data, 'names.txt'],
  autoencoder: imageFiles,
  coder: ['coder/autoencoder.json', `coder/${average}`],
  latents: [...imageFiles, ...coderFiles],
  foreign: [...coderFiles, 'foreign/n#/#.JPEG.npz', 'foreign.txt'],
  taken: [...modelFolder, 'classes.txt'],
  file: [`model/${average}`, 'model/model.json'],
  train: latentFiles,
  again: [...latentFiles, ...trainingFiles('train'), ...takenCoderFiles],
  carried: [...latentFiles, ...takenModelFiles, 'taken/weights.safetensors'],
  taught: [...latentFiles, ...modelFiles],
  taughtByTaken: [...latentFiles, ...takenModelFiles],
  sketched: modelFiles,
  sketchedByTaken: takenModelFiles,
  onSketched: ['sketched/index.json', 'sketched/latents-#.safetensors'],
  whole: latentFiles,
  measured: ['whole/model.json', `whole/${average}`],
  measuredTaken: takenModelFiles,
  started: [...latentFiles, ...modelFolder, 'classes.txt'],
  crops: [...imageFiles, ...coderFiles],
  judged: [...latentFiles, ...takenCoderFiles, ...imageFiles],
  alignedToImages: [...latentFiles, ...imageFiles],
  onForeign: foreignFiles,
  sample: [...modelFiles, ...coderFiles],
  drawn: [...modelFiles, ...takenModelFiles, ...takenCoderFiles],
  phased: [...modelFiles, ...takenModelFiles, ...coderFiles],
  back: [...modelFiles, ...latentFiles, ...coderFiles],
  backForeign: ['onForeign/model.json', `onForeign/${average}`, ...foreignFiles, ...coderFiles],
  'calibrate-phased': [...modelFiles, ...takenModelFiles],
  scored: [...drawnFiles('sample'), ...imageFiles, ...coderFiles, 'inception.pb'],
  scoredByDrawn: [...drawnFiles('sample'), ...drawnFiles('drawn'), ...coderFiles],
  scoredByLatents: [...drawnFiles('sample'), ...latentFiles, ...coderFiles],
  scoredByForeign: [...drawnFiles('sample'), ...foreignFiles, ...coderFiles],
  imagesScored: [...imageFiles, ...drawnFiles('sample'), ...coderFiles],
  played: [...modelFiles, ...takenModelFiles, ...coderFiles],
  playedTaken: [...modelFiles, ...takenModelFiles, ...coderFiles],
  playedPhases: [...modelFiles, ...takenModelFiles, ...coderFiles],
  compared: ['given.npz', 'reference.npz', ...coderFiles],
  boxed: ['boxed.zip'],
  boxedLatents: ['boxed/index.jsonl', 'boxed/set.json', 'boxed.zip', ...coderFiles],
  foreignFiles: [...coderFiles, 'lightning/latents_rank#_shard#.safetensors', 'lightning/latents_stats.pt'],
  sharded: [
    'shards/model.json',
    'shards/average.safetensors.index.json',
    'shards/average-#-of-#.safetensors',
  ],
  shardedCoder: [
    'vae/config.json',
    'vae/diffusion_pytorch_model.safetensors.index.json',
    'vae/diffusion_pytorch_model-#-of-#.safetensors',
  ],
  report: [
    'images/skipped.json',
    'autoencoder/reconstructions.png',
    ...['autoencoder', 'train'].map((stage) => `${stage}/metrics.jsonl`),
    ...['autoencoder', 'train'].map((stage) => `${stage}/speed.jsonl`),
    ...['sample/samples.json', 'sample/samples/#.png'],
  ],
  everything: [
    ...['phased', 'back'].flatMap((stage) => [`${stage}/samples.json`, `${stage}/samples/#.png`]),
    'phased/switches.json',
  ],
};

/** Keys of a schema that name a stage, with each kind that it may be of, and those that name files. */
export function* inputKeys(schema: Schema, path: readonly string[] = []): Generator<string> {
  const key = path.join('.');
  if (schema.stageRef !== undefined) for (const kind of [schema.stageRef].flat()) yield `${key}: ${kind}`;
  else if (schema.isPath) yield key;
  const { properties = {}, items, anyOf = [] } = schema;
  for (const [name, value] of Object.entries(properties)) yield* inputKeys(value, [...path, name]);
  for (const value of [items ?? [], anyOf].flat()) yield* inputKeys(value, path);
}

/** Keys of a configuration, with dots. */
export const keysOf = (value: object, prefix = ''): string[] =>
  Object.entries(value).flatMap(([key, item]: [string, unknown]) => [
    `${prefix}${key}`,
    ...(typeof item === 'object' && item !== null && !Array.isArray(item)
      ? keysOf(item, `${prefix}${key}.`)
      : []),
  ]);
