import { basename } from 'node:path';
import { UserError } from '../base/errors.js';
import type { TorchValue } from '../formats/pytorch/checkpoint.js';
import { TorchTensor } from '../formats/pytorch/tensor.js';
import { entriesOf, type StateDict, type WeightsFile } from '../formats/weights-file.js';
import { type SiTConfig, timestepFrequencies } from '../models/sit/config.js';
import { fromReference, referencePlace } from '../models/sit/reference-names.js';
import {
  argsContradictions,
  computedNames,
  computedTensor,
  inferConfig,
  lastLayer,
  mismatch,
  positionName,
  rotaryNames,
  rotarySpread,
  readReferenceArgs,
  referenceDownsample,
  referenceOrder,
  referenceShapes,
  sampleRows,
  stateProblems,
  type StateShapes,
} from '../models/sit/reference-state.js';
import { chooseSets, type ModelLayout, withoutWeights } from './find-sets.js';
import { checkAgreement, classNames, scaledNormalization } from './model-source.js';
import type { ModelHints, ModelSource } from './model-source.js';
import { namedModels } from './named-models.js';
import { refuseOtherModels } from './other-models.js';

/** Largest difference that the moving average and half precision may make in the position embedding. */
const positionTolerance = 5e-3;

/** REPA trains these beside the model, to align it with another network; samples do not need them. */
const projectors = /^projectors?\./;

const layout: ModelLayout = {
  what: 'a SiT',
  roots: /^(pos_embed$|[xty]_embedder\.|blocks\.\d+\.|final_layer\.)/,
  anchors: [
    ...['x_embedder.proj.weight', 't_embedder.mlp.0.weight'],
    ...['y_embedder.embedding_table.weight', 'final_layer.linear.weight'],
  ],
  leftOut: projectors,
  computed: positionName,
  order: (state) => {
    const names = referenceOrder(inferConfig(shapesOf(state), '', { headsOf: () => 1 }));
    return [names, names.filter((name) => name !== positionName)];
  },
};

/** @throws UserError `average-not-kept` for weights that only models of this project have */
function setOf(path: string, weights: ModelHints['weights']): 'all' | 'raw' | 'ema' {
  if (weights === 'all' || weights === 'raw' || weights === 'ema') return weights;
  throw new UserError({
    code: 'average-not-kept',
    message: `${path}: a checkpoint of another program has no weights \`${weights}\`.`,
    remedy: 'Use `ema` or `raw`.',
  });
}

/**
 * A model of the PyTorch reference, or one that is made as its plain SiT is. Everything that can be known without reading
 * weights is checked: every tensor of both sets, the options saved beside them, and what the user says.
 *
 * @throws UserError `checkpoint-mismatch`, `checkpoint-without-weights`, `weights-ambiguous`, `weights-contradiction`,
 * `model-not-sit`, `heads-unknown` or `class-count`
 */
export async function referenceSource(file: WeightsFile, hints: ModelHints): Promise<ModelSource> {
  const { path, facts } = file;
  const args = readReferenceArgs({ ...entriesOf(facts.hyper_parameters), ...entriesOf(facts.args) });
  const sets = chooseSets(
    file,
    layout,
    hints.key === undefined ? [] : [hints.key].flat(),
    setOf(path, hints.weights),
  );
  if (sets === undefined) {
    refuseOtherModels(file);
    throw withoutWeights(file, layout.what);
  }
  refuseDiT(path, args.model);
  const found = shapesOf(sets.raw);
  const inferred = inferConfig(found, path, {
    headsOf: (sizes) => hints.heads ?? namedHeads(sizes),
    classes: args.classes,
    labelDropout: hints.labelDropout,
    latentSize: args.imageSize && args.imageSize / referenceDownsample,
  });
  const rows = sampleRows(inferred);
  const hasVariance = found.get(lastLayer[0])?.[0] !== rows.length;
  // REPA's models predict no variance; another program may align a model of the reference as REPA does.
  const isReversed =
    args.isReversed === true || (!hasVariance && sets.leftOut.some((name) => projectors.test(name)));
  checkTensors(path, sets, expectedShapes(inferred, hasVariance), computedNames(inferred));
  const config = await withSpread(inferred, sets.raw);
  checkAgreement(path, hints, { ...args, heads: config.heads });
  const states = [...new Set([sets.raw, sets.ema])];
  for (const state of states) await checkComputed(path, state, config);
  requireScale(path, config, hints);
  const isSaid = [args.interpolant, args.prediction, hints.interpolant, hints.prediction].some(
    (said) => said !== undefined,
  );
  const isPlain = config.mediators.every((mediators) => mediators === 0);
  if (isPlain && !isSaid) {
    refuseNameOfDiT(path);
    if (hasVariance) await refuseTrainedVariance(path, sets.raw, rows);
  }
  const read = async (state: StateDict, name: string): Promise<Float32Array> => {
    let values = await state.get(name)!.read();
    if (isReversed && name === 't_embedder.mlp.0.weight') values = timeReversed(values);
    if (!lastLayer.some((layer) => layer === name)) return values;
    if (!hasVariance) values = withoutVariance(values, rows);
    return isReversed ? values.map((value) => -value) : values;
  };
  return {
    path,
    description: {
      format: 'sit-1',
      config,
      interpolant: hints.interpolant ?? args.interpolant ?? 'linear',
      prediction: hints.prediction ?? args.prediction ?? 'velocity',
      normalization: scaledNormalization(config.channels, hints),
      classes: classNames(path, hints, config.classes),
      steps: await stepsOf(facts),
    },
    hasAverage: sets.raw !== sets.ema,
    told: [
      ...sets.told,
      ...argsContradictions(args, config).map(
        (problem) => `Of two that differ, the tensors hold: ${problem}.`,
      ),
      ...(hasVariance
        ? []
        : ['It predicts no variance, which is not used: the last layer is filled with zeros.']),
      ...(isReversed
        ? [
            "Its time runs from data to noise, as REPA's does: the first and the last layer are turned round, exactly.",
          ]
        : []),
    ],
    read: async (set, parameter) => {
      const state = set === 'raw' || set === 'ema' ? sets[set] : undefined;
      const { name } = referencePlace(parameter, config);
      if (state?.has(name) !== true)
        throw new Error(`${path} was not checked for ${set} of ${parameter.name}.`);
      return fromReference(await read(state, name), parameter, config);
    },
    close: () => file.close(),
  };
}

function expectedShapes(config: SiTConfig, hasVariance: boolean): Map<string, readonly number[]> {
  const expected = referenceShapes(config);
  if (!hasVariance)
    for (const name of lastLayer) {
      const [rows, ...rest] = expected.get(name)!;
      expected.set(name, [rows! / 2, ...rest]);
    }
  return expected;
}

/** @throws UserError `checkpoint-mismatch` with every problem of every set */
function checkTensors(
  path: string,
  { raw, ema, unreadable }: { raw: StateDict; ema: StateDict; unreadable: ReadonlyMap<string, string> },
  expected: StateShapes,
  computed: readonly string[],
): void {
  const problems = [...new Set([raw, ema])].flatMap((state, i) => {
    const found = new Map(shapesOf(state));
    for (const name of computed) if (!found.has(name)) found.set(name, expected.get(name)!);
    return stateProblems(found, expected)
      .map((problem) => {
        const [name] = problem.split(' ', 1);
        const what = unreadable.get(name!);
        return what === undefined || !problem.endsWith('missing')
          ? problem
          : `${name!} is ${what}, which is not read`;
      })
      .map((problem) => (i === 0 ? problem : `ema: ${problem}`));
  });
  if (problems.length > 0) throw mismatch(path, problems);
}

function shapesOf(state: StateDict): StateShapes {
  return new Map([...state].map(([name, { shape }]) => [name, shape]));
}

/** Heads of the paper's model of this width and depth. */
function namedHeads({ hiddenSize, depth }: Pick<SiTConfig, 'hiddenSize' | 'depth'>): number | undefined {
  return namedModels().find((model) => model.hiddenSize === hiddenSize && model.depth === depth)?.heads;
}

/** Rotary positions spread as the tables of a file say. */
async function withSpread(config: SiTConfig, state: StateDict): Promise<SiTConfig> {
  if (config.rope === undefined) return config;
  const [cos, sin] = [await state.get(rotaryNames.cos)?.read(), await state.get(rotaryNames.sin)?.read()];
  if (cos === undefined || sin === undefined) return config;
  return { ...config, rope: Math.max(1, rotarySpread({ cos, sin }, config)) };
}

/** Positions are computed here: others in the file would be lost. */
async function checkComputed(path: string, state: StateDict, config: SiTConfig): Promise<void> {
  for (const name of computedNames(config)) {
    const found = await state.get(name)?.read();
    const computed = computedTensor(name, config);
    if (found?.every((value, i) => Math.abs(value - computed[i]!) <= positionTolerance) === false)
      throw mismatch(path, [
        name === positionName
          ? `${name} is not the fixed sine-cosine embedding of the reference`
          : `${name} is not of rotary positions, row by row, that spread over a whole number of tokens`,
      ]);
  }
}

/** A LightningDiT's latents are normalised channel by channel: the usual factor would be wrong without a word. */
function requireScale(path: string, { rope, swiGlu, rmsNorm }: SiTConfig, hints: ModelHints): void {
  if (hints.scalingFactor !== undefined || (rope ?? swiGlu ?? rmsNorm) === undefined) return;
  throw new UserError({
    code: 'scale-unknown',
    message: `${path}: nothing tells the scale of its latents. It is a LightningDiT, or has its blocks, and these normalise latents channel by channel, by statistics that are not in the file.`,
    remedy:
      'Set `scalingFactor` to the factor on its latents in training; in a command `--scaling-factor`. Such as have a factor for each channel cannot be used.',
  });
}

/** A DiT has the tensors of a SiT, and predicts the noise of a thousand steps: samples of it would be noise. */
function refuseDiT(path: string, model: string | undefined): void {
  if (model === undefined || !/^DiT/i.test(model)) return;
  throw new UserError({
    code: 'model-not-sit',
    message: `${path}: its options say that it is a ${model}, which predicts the noise of a schedule of 1000 steps; a SiT has another path and another time.`,
    remedy: 'Use the weights of a SiT.',
  });
}

/** Nothing in a checkpoint without a variance tells a DiT, but its name may, as of DiT-XL-2-256x256.pt. */
function refuseNameOfDiT(path: string): void {
  if (!/(^|[^a-z])DiT[-_ ]?(S|B|L|XL)[-_ /]?\d/i.test(basename(path))) return;
  throw new UserError({
    code: 'model-not-sit',
    message: `${path}: by its name it is a DiT, which predicts the noise of a schedule of 1000 steps, and nothing in the file says what it was trained on.`,
    remedy:
      'Use the weights of a SiT. If it is one say so, with `prediction: velocity`; in a command `--prediction velocity`.',
  });
}

/** A SiT never trains the half of its output that is for a variance: it stays zero. A DiT does. */
async function refuseTrainedVariance(path: string, state: StateDict, rows: readonly number[]): Promise<void> {
  const weight = await state.get(lastLayer[0])!.read();
  const columns = weight.length / (2 * rows.length);
  const isSample = new Set(rows);
  if (weight.every((value, i) => value === 0 || isSample.has(Math.floor(i / columns)))) return;
  throw new UserError({
    code: 'model-not-sit',
    message: `${path}: it has learned to predict a variance, as a DiT does and a SiT does not, and nothing in the file says what it was trained on.`,
    remedy:
      'A DiT predicts the noise of a schedule of 1000 steps, and cannot be used. If it is a SiT say so, with `prediction: velocity`; in a command `--prediction velocity`.',
  });
}

/** The last layer with rows of zeros for a variance, by what stands in the rows of the sample. */
function withoutVariance(values: Float32Array, rows: readonly number[]): Float32Array {
  const columns = values.length / rows.length;
  const out = new Float32Array(2 * values.length);
  for (const [i, row] of rows.entries())
    out.set(values.subarray(i * columns, (i + 1) * columns), row * columns);
  return out;
}

/**
 * The first layer of the timestep's embedding, [width, frequencies], for 1 − t in place of t: cos((1 − t)f) and
 * sin((1 − t)f) are combinations of cos(tf) and sin(tf).
 */
function timeReversed(weight: Float32Array): Float32Array {
  const half = timestepFrequencies / 2;
  const out = new Float32Array(weight.length);
  for (let row = 0; row < weight.length; row += timestepFrequencies)
    for (let k = 0; k < half; k++) {
      const frequency = 10_000 ** (-k / half);
      const [cos, sin] = [Math.cos(frequency), Math.sin(frequency)];
      const [a, b] = [weight[row + k]!, weight[row + half + k]!];
      out[row + k] = a * cos + b * sin;
      out[row + half + k] = a * sin - b * cos;
    }
  return out;
}

/** Keys under which training scripts count their steps. */
const counters = ['train_steps', 'steps', 'global_step', 'global_steps', 'step', 'iteration'];

async function stepsOf(facts: Readonly<Record<string, TorchValue>>): Promise<number> {
  for (const name of counters) {
    const value = Object.hasOwn(facts, name) ? facts[name] : undefined;
    const count = value instanceof TorchTensor ? await scalar(value) : Number(value);
    if (value !== undefined && Number.isSafeInteger(count) && count >= 0) return count;
  }
  return 0;
}

async function scalar(tensor: TorchTensor): Promise<number> {
  return tensor.shape.every((size) => size === 1) ? Number((await tensor.read()).data[0]) : NaN;
}
