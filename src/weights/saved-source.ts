import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { readInputText } from '../base/input-file.js';
import { openTensors, type TensorReader, tensorsPath } from '../formats/safetensors/shards.js';
import { sitParameters } from '../models/sit/parameters.js';
import { mismatch, stateProblems } from '../models/sit/reference-state.js';
import { float32 } from '../tensorflow/data-types.js';
import {
  checkAgreement,
  classNames,
  contradiction,
  type ModelHints,
  type ModelSource,
  type OptimizerState,
  type WeightSet,
} from './model-source.js';
import { modelFileName, readSavedModel, type SavedModel } from './saved-files.js';

/**
 * A model as `train`, `pretrained` and `pipeline import` leave it.
 *
 * @param only a file of weights in it that stands for both sets
 * @throws UserError `model-invalid`, `checkpoint-mismatch`, `weights-contradiction` or `class-count`
 */
export async function savedSource(directory: string, hints: ModelHints, only?: string): Promise<ModelSource> {
  const saved = await readModel(directory);
  const { weights, ...description } = saved;
  const { config } = saved;
  checkAgreement(directory, hints, { ...saved, ...config });
  const classes = hints.classes && namedClasses(directory, hints, saved);
  const chosen =
    hints.weights === 'all' ? weights : { raw: weights[hints.weights], ema: weights[hints.weights] };
  const raw = only ?? join(directory, chosen.raw);
  const ema = only ?? join(directory, chosen.ema);
  const optimizer = only === undefined ? await readOptimizer(directory, raw) : undefined;
  const paths: Record<WeightSet, string> = { raw, ema, ...momentPaths(raw) };
  const files = new Map<string, TensorReader>();
  const close = async () => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  try {
    const expected = new Map(sitParameters(config).map(({ name, shape }) => [name, shape]));
    const opened = optimizer === undefined ? [raw, ema] : Object.values(paths);
    for (const path of new Set(opened)) {
      const file = await openTensors(path);
      files.set(path, file);
      const problems = stateProblems(
        new Map([...file.tensors].map(([name, { shape }]) => [name, shape])),
        expected,
      );
      if (problems.length > 0) throw mismatch(path, problems);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    path: directory,
    description: {
      ...description,
      ...(classes && { classes }),
    },
    hasAverage: raw !== ema,
    told: [],
    ...(optimizer && { optimizer }),
    read: async (set, { name, shape }) => float32(shape, await files.get(paths[set])!.readFloat32(name)),
    close,
  };
}

/**
 * Names for the classes of a model that has none but numbers; those of one that has names are its own.
 *
 * @throws UserError `class-count` or `weights-contradiction`
 */
function namedClasses(directory: string, hints: ModelHints, { classes, config }: SavedModel): string[] {
  const names = classNames(directory, hints, config.classes);
  const label = classes.findIndex((own, i) => own !== String(i) && own !== names[i]);
  if (label < 0) return names;
  throw contradiction(directory, [
    `\`classes\` calls class ${label} ${names[label]!}, the model calls it ${classes[label]!}`,
  ]);
}

async function readModel(directory: string): Promise<SavedModel> {
  const path = join(directory, modelFileName);
  const saved = await readSavedModel(directory).catch((error: unknown) => {
    const isAbsent = ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (error instanceof SyntaxError || isAbsent) return undefined;
    throw asUserError(error, path);
  });
  if ((saved as { format?: unknown } | undefined)?.format === 'sit-1') return saved!;
  throw new UserError({
    code: 'model-invalid',
    message: `${path}: expected the description of a model of this version.`,
    remedy: 'Import or train the model again.',
  });
}

function momentPaths(weights: string) {
  const beside = (name: string) => tensorsPath(dirname(weights), name);
  return { firstMoment: beside('firstMoment'), secondMoment: beside('secondMoment') };
}

/** The state of AdamW that a training stage's output holds beside its last weights. */
async function readOptimizer(directory: string, raw: string): Promise<OptimizerState | undefined> {
  if (!Object.values(momentPaths(raw)).every(existsSync)) return undefined;
  const stage = await readJson<{ origin?: { config?: Partial<OptimizerState> } }>(
    join(directory, 'manifest.json'),
  );
  const checkpoint = await readJson<{ extra?: { updates?: number } }>(join(dirname(raw), 'manifest.json'));
  const { learningRate, betas, weightDecay } = stage?.origin?.config ?? {};
  const updates = checkpoint?.extra?.updates;
  if (learningRate === undefined || betas === undefined || weightDecay === undefined || updates === undefined)
    return undefined;
  return { updates, learningRate, betas, weightDecay };
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readInputText(path)) as T;
  } catch (error) {
    if (error instanceof UserError) throw error;
    return undefined;
  }
}
