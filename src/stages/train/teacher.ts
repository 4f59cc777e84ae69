import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { canonicalName } from '../../data/images/class-names.js';
import { openTensors } from '../../formats/safetensors/shards.js';
import type { TrainConfig } from '../../generated/index.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import type { StageContext } from '../../runner/stage.js';
import { float32, int32 } from '../../tensorflow/data-types.js';
import { withoutPrefix } from '../../tensorflow/trace.js';
import type { Tensor1D, Tensors, TensorSpec } from '../../tensorflow/index.js';
import type { Normalization, Teaching } from '../../training/diffusion-loss.js';
import { learningRateAt } from '../../training/schedule.js';
import type { FrozenWeights } from '../../training/trainer.js';
import { readSavedModel, type SavedModel } from '../../weights/saved-files.js';
import { requireGuidable } from '../shared/guidance.js';
import { plannedTrainingLatents, type Resolve } from '../shared/planned.js';
import type { Batch } from '../training/stream.js';
import { modelConfig } from './config.js';
import { guidedModel } from './draw.js';
import { plannedStart } from './start.js';

type TeacherConfig = NonNullable<TrainConfig['teacher']>;

/** A model's description, as far as it matters to who learns from it. */
interface Known {
  readonly config: SiTConfig;
  readonly interpolant: SavedModel['interpolant'];
  readonly prediction: SavedModel['prediction'];
  readonly normalization?: Normalization;
  readonly classes?: readonly string[];
  readonly guided?: boolean;
}

/** Inputs of a step that a teacher adds. */
const labelsInput = 'teacherLabels';
const partInput = 'teacherPart';
/** Prefix of the names of its weights among those of a training. */
const prefix = 'teacher.';

/** Input with an entry for each sample. */
export const teacherPerSample = [labelsInput] as const;

/** The model that a training learns from. */
export class Teacher {
  private constructor(
    private readonly teacher: TeacherConfig,
    private readonly directory: string,
    readonly saved: SavedModel,
    /** The teacher's label for each of the training's classes. */
    private readonly labels: readonly number[],
    /** Steps of the training. */
    private readonly totalSteps: number,
  ) {}

  /** Finds the model that a stage learns from; nothing where it learns from none. */
  static async find(
    { teacher }: TrainConfig,
    { input }: Pick<StageContext, 'input'>,
  ): Promise<SavedModel | undefined> {
    return teacher && readSavedModel(input(teacher.model).directory);
  }

  /** @throws UserError `teacher-mismatch` or `untrained-guidance` where it cannot teach this training */
  static of(
    config: TrainConfig & { readonly teacher: TeacherConfig },
    saved: SavedModel,
    own: Known & { readonly classes: readonly string[] },
    totalSteps: number,
    { input }: Pick<StageContext, 'input'>,
  ): Teacher {
    const { teacher } = config;
    requireTeachable(teacher, saved, own);
    const known = new Map(saved.classes.map((name, label) => [canonicalName(name), label]));
    const labels = own.classes.map((name) => known.get(canonicalName(name)) ?? saved.config.classes);
    return new Teacher(teacher, input(teacher.model).directory, saved, labels, totalSteps);
  }

  get model(): SiTConfig {
    return this.saved.config;
  }

  /** Its weights, under names of their own. */
  get weights(): FrozenWeights {
    const parameters = sitParameters(this.model).map((each) => ({ ...each, name: prefix + each.name }));
    return {
      parameters,
      load: async (write) => {
        const file = await openTensors(join(this.directory, this.saved.weights.ema));
        try {
          await write(async (name) => {
            const own = name.slice(prefix.length);
            return float32(file.tensors.get(own)!.shape, await file.readFloat32(own));
          });
        } finally {
          await file.close();
        }
      },
    };
  }

  /** Shapes and types of the inputs that it adds to a step on so many samples. */
  inputs(samples: number): Readonly<Record<string, TensorSpec>> {
    return {
      [labelsInput]: { dtype: 'int32', shape: [samples] },
      [partInput]: { dtype: 'float32', shape: [1] },
    };
  }

  /** A step's batch with these inputs. */
  batch(batch: Batch, step: number): Batch {
    const labels = Int32Array.from(batch.labels!.data, (label) => this.labels[label]!);
    return {
      ...batch,
      [labelsInput]: int32([labels.length], labels),
      [partInput]: float32([1], Float32Array.of(this.partAt(step))),
    };
  }

  /** Its part in the loss of a step. */
  teaching(inputs: Tensors, weights: Tensors): Teaching {
    const tensors = withoutPrefix(weights, prefix);
    const { guidanceScale: scale, guidanceChannels: channels } = this.teacher;
    const options = { model: this.model, guidance: { scale, channels } };
    return {
      field: (x, t, y) => guidedModel(options, y, tensors)(x, t),
      labels: inputs[labelsInput] as Tensor1D,
      nullClass: this.model.classes,
      part: inputs[partInput] as Tensor1D,
    };
  }

  /** Floating-point operations that it adds to a step for each sample. */
  get operations(): number {
    return 2 * passes(this.teacher) * sitCost(this.model).multiplyAccumulates;
  }

  /** Summary, as it is recorded. */
  get summary(): readonly string[] {
    const { teacher, labels, model } = this;
    const known = labels.filter((label) => label < model.classes).length;
    return [...teacherLines(teacher), `${known} of ${labels.length} classes known by name`];
  }

  /** Part of the loss at a step. */
  private partAt(step: number): number {
    const { weight, schedule: kind } = this.teacher;
    return learningRateAt(step, {
      kind,
      learningRate: weight,
      warmupSteps: 0,
      totalSteps: this.totalSteps,
    });
  }
}

/** Passes of the teacher for each sample: one without a class as well, where it is guided. */
export const passes = ({ guidanceScale }: Pick<TeacherConfig, 'guidanceScale'>): number =>
  guidanceScale === 1 ? 1 : 2;

/** Describes a teacher's part in a training, in lines. */
export function teacherLines({ model, weight, schedule, guidanceScale }: TeacherConfig): string[] {
  const falling = schedule === 'constant' ? '' : `, down to 0 (${schedule})`;
  return [
    `from ${model}`,
    `weight ${weight}${falling}`,
    ...(guidanceScale === 1 ? [] : [`guided by ${guidanceScale}`]),
  ];
}

/** @throws UserError `teacher-mismatch` or `untrained-guidance` where a model cannot teach a training */
function requireTeachable(teacher: TeacherConfig, from: Known, to: Known): void {
  const mismatch = (says: string, remedy: string) =>
    new UserError({
      code: 'teacher-mismatch',
      message: `${teacher.model}, which training learns from, ${says}.`,
      remedy,
    });
  for (const key of ['interpolant', 'prediction'] as const)
    if (from[key] !== to[key])
      throw mismatch(
        `has \`${key}: ${from[key]}\`; here it is \`${to[key]}\``,
        `Train with \`${key}: ${from[key]}\`.`,
      );
  for (const key of ['latentSize', 'channels'] as const)
    if (from.config[key] !== to.config[key])
      throw mismatch(
        `has \`${key}\` ${from.config[key]}; the latents to train on have ${to.config[key]}`,
        'Use a teacher for latents of this size, or `start` from it, which resizes.',
      );
  const scales = [from.normalization, to.normalization].map((each) => each && JSON.stringify(each));
  if (scales.every((each) => each !== undefined) && scales[0] !== scales[1])
    throw mismatch(
      'was trained on latents that were normalised otherwise',
      'Start from it too, or from a model that was trained as it was.',
    );
  if (teacher.guidanceScale !== 1) requireGuidable(teacher.model, from);
  if (from.config.labelDropout > 0) return;
  const unknown = to.classes?.find(
    (name) => !from.classes?.some((other) => canonicalName(other) === canonicalName(name)),
  );
  if (to.config.labelDropout > 0)
    throw mismatch(
      'knows no images without a class, and `labelDropout` asks for them',
      'Set `labelDropout: 0` of `model`.',
    );
  if (from.classes !== undefined && unknown !== undefined)
    throw mismatch(
      `has no class ${unknown}, and knows no images without a class`,
      'Use a teacher that was trained with label dropout, or on these classes.',
    );
}

/** A teacher, as far as it is known before anything runs. */
export interface PlannedTeacher {
  readonly model: SiTConfig;
  readonly passes: number;
}

/**
 * Looks at a stage's teacher before anything runs; nothing where there is none, or where it is not known yet.
 *
 * @throws UserError as `Teacher.of`, as far as the sizes are known
 */
export async function plannedTeacher(
  config: TrainConfig,
  resolve: Resolve,
  directory: string,
): Promise<PlannedTeacher | undefined> {
  const { teacher } = config;
  if (teacher === undefined) return undefined;
  const from: Known | undefined = await plannedStart(teacher.model, resolve, directory);
  if (from === undefined) return undefined;
  const latents = plannedTrainingLatents(config, resolve);
  const { latentSize, channels } = from.config;
  const model = modelConfig(config, { latentSize, channels, ...latents, classes: latents?.classes ?? 0 });
  const { interpolant, prediction } = config;
  // How latents are normalised is known once they are made.
  requireTeachable(teacher, from, {
    ...{ config: model, interpolant, prediction },
    ...(latents?.classNames && from.classes && { classes: latents.classNames }),
  });
  return { model: from.config, passes: passes(teacher) };
}
