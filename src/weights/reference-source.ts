import { entriesOf, type StateDict, type WeightsFile } from '../formats/weights-file.js';
import { gridOf, type SiTConfig } from '../models/sit/config.js';
import { fromReference, referencePlace } from '../models/sit/reference-names.js';
import {
  argsContradictions,
  inferConfig,
  mismatch,
  positionName,
  readReferenceArgs,
  referenceShapes,
  stateProblems,
  type StateShapes,
} from '../models/sit/reference-state.js';
import { positionEmbedding } from '../nn/embeddings.js';
import {
  checkAgreement,
  classNames,
  contradiction,
  type ModelHints,
  type ModelSource,
  scaledNormalization,
} from './model-source.js';
import { namedModels } from './named-models.js';

/** Largest difference that the moving average and half precision may make in the position embedding. */
const positionTolerance = 5e-3;

/**
 * A model of the PyTorch reference. Everything that can be known without reading weights is checked: every tensor of
 * both sets, the options saved beside them, and what the user says.
 *
 * @throws UserError `checkpoint-mismatch`, `weights-contradiction`, `heads-unknown` or `class-count`
 */
export async function referenceSource(file: WeightsFile, hints: ModelHints): Promise<ModelSource> {
  const { path } = file;
  const args = readReferenceArgs(entriesOf(file.facts.args));
  const sets = chosenSets(file, hints.weights);
  const config = inferConfig(shapesOf(sets.raw), path, {
    headsOf: (sizes) => hints.heads ?? namedHeads(sizes),
    classes: args.classes,
    labelDropout: hints.labelDropout,
  });
  const expected = referenceShapes(config);
  const problems = [...new Set([sets.raw, sets.ema])].flatMap((state, i) =>
    stateProblems(shapesOf(state), expected).map((problem) => (i === 0 ? problem : `ema: ${problem}`)),
  );
  if (problems.length > 0) throw mismatch(path, problems);
  const contradictions = argsContradictions(args, config);
  if (contradictions.length > 0) throw contradiction(path, contradictions);
  checkAgreement(path, hints, { ...args, heads: config.heads });
  for (const state of new Set([sets.raw, sets.ema])) await checkPosition(path, state, config);
  return {
    path,
    description: {
      format: 'sit-1',
      config,
      interpolant: hints.interpolant ?? args.interpolant ?? 'linear',
      prediction: hints.prediction ?? args.prediction ?? 'velocity',
      normalization: scaledNormalization(config.channels, hints.scalingFactor),
      classes: classNames(path, hints, config.classes),
      steps: Number(file.facts.train_steps ?? 0),
    },
    hasAverage: sets.raw !== sets.ema,
    read: async (set, parameter) => {
      const state = set === 'raw' || set === 'ema' ? sets[set] : undefined;
      const tensor = state?.get(referencePlace(parameter, config).name);
      if (tensor === undefined) throw new Error(`${path} was not checked for ${set} of ${parameter.name}.`);
      return fromReference(await tensor.read(), parameter, config);
    },
    close: () => file.close(),
  };
}

/** The two sets of weights that a file gives; one stands for both where it has or the user wants one only. */
function chosenSets({ path, parts }: WeightsFile, wanted: ModelHints['weights']) {
  const { model, ema } = parts;
  const only = { all: undefined, raw: model ?? 'model', ema: ema ?? 'ema' }[wanted];
  if (typeof only === 'string')
    throw contradiction(path, [`\`weights: ${wanted}\` is asked for, the file has no "${only}"`]);
  const raw = only ?? model ?? ema!;
  return { raw, ema: only ?? ema ?? raw };
}

function shapesOf(state: StateDict): StateShapes {
  return new Map([...state].map(([name, { shape }]) => [name, shape]));
}

/** Heads of the paper's model of this width and depth. */
function namedHeads({ hiddenSize, depth }: Pick<SiTConfig, 'hiddenSize' | 'depth'>): number | undefined {
  return namedModels().find((model) => model.hiddenSize === hiddenSize && model.depth === depth)?.heads;
}

/** The position embedding is computed here: another one in the file would be lost. */
async function checkPosition(path: string, state: StateDict, config: SiTConfig): Promise<void> {
  const found = await state.get(positionName)!.read();
  const computed = positionEmbedding(config.hiddenSize, gridOf(config));
  if (found.every((value, i) => Math.abs(value - computed[i]!) <= positionTolerance)) return;
  throw mismatch(path, [`${positionName} is not the fixed sine-cosine embedding of the reference`]);
}
