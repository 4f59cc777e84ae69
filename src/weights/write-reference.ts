import { UserError } from '../base/errors.js';
import type { FileSeal } from '../base/output-file.js';
import { TorchTensorSource, type TorchWritable, writeTorchCheckpoint } from '../formats/pytorch/write.js';
import { writeSafetensors } from '../formats/safetensors/writer.js';
import { hasExtras, type SiTConfig, sitParameters } from '../models/sit/config.js';
import { referencePlace, toReference } from '../models/sit/reference-names.js';
import {
  computedNames,
  computedTensor,
  referenceDownsample,
  referenceOrder,
  referenceShapes,
} from '../models/sit/reference-state.js';
import { floats } from '../tensorflow/data-types.js';
import { theirs } from '../transport/reference-names.js';
import type { ModelDescription, ModelSource, OptimizerState, WeightSet } from './model-source.js';
import { namedModels } from './named-models.js';
import { storedAs, type WriteOptions } from './write.js';

type Options = Omit<WriteOptions, 'dtype'>;

/**
 * Writes a checkpoint that the PyTorch reference loads with `strict=True`: `model`, `ema`, `args`, `train_steps`, and
 * `opt` in the layout of AdamW where the source has its moments. One tensor at a time is in memory.
 */
export function writeReferenceCheckpoint(
  source: ModelSource,
  path: string,
  options: Options,
): Promise<FileSeal> {
  const { description, optimizer } = source;
  const sets: WeightSet[] = ['raw', 'ema', ...(optimizer ? (['firstMoment', 'secondMoment'] as const) : [])];
  const reader = new ReferenceReader(source, sets.length, options);
  const state = (set: WeightSet) =>
    new Map(reader.names.map((name) => [name, reader.torch(set, name)] as const));
  return writeTorchCheckpoint(path, {
    model: state('raw'),
    ema: state('ema'),
    ...(optimizer && { opt: adamW(optimizer, reader) }),
    args: argsOf(description),
    epoch: 0,
    train_steps: description.steps,
  });
}

/** Writes one set of weights as safetensors with the names and shapes of the reference. */
export function writeReferenceStateDict(
  source: ModelSource,
  set: 'raw' | 'ema',
  path: string,
  options: WriteOptions,
): Promise<FileSeal> {
  const { dtype, encode } = storedAs[options.dtype ?? 'float32'];
  const reader = new ReferenceReader(source, 1, options);
  const tensors = reader.names.map((name) => ({
    name,
    dtype,
    shape: reader.shapes.get(name)!,
    data: async () => encode(await reader.read(set, name)),
  }));
  return writeSafetensors(path, tensors, { format: 'pt' });
}

/** Gives a model's tensors under the reference's names. */
class ReferenceReader {
  /** Those that PyTorch numbers. */
  readonly parameterNames: readonly string[];
  /** All of the state dict: buffers come last. */
  readonly names: readonly string[];
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly config: SiTConfig;
  private readonly parameters: ReadonlyMap<string, ReturnType<typeof sitParameters>[number]>;
  private done = 0;

  constructor(
    private readonly source: ModelSource,
    private readonly sets: number,
    private readonly options: Options,
  ) {
    this.config = source.description.config;
    if (this.config.mediators.some((mediators) => hasExtras(this.config, mediators)))
      throw new UserError({
        code: 'format-unsuitable',
        usage: true,
        message: `${source.path}: the PyTorch reference has no full attention with the extras of mediators.`,
        remedy: 'Use --format own.',
      });
    this.parameterNames = referenceOrder(this.config);
    this.names = [...new Set([...this.parameterNames, ...computedNames(this.config)])];
    this.shapes = referenceShapes(this.config);
    this.parameters = new Map(
      sitParameters(this.config).map((parameter) => [referencePlace(parameter, this.config).name, parameter]),
    );
  }

  torch(set: WeightSet, name: string): TorchTensorSource {
    return new TorchTensorSource('F32', this.shapes.get(name)!, () => this.read(set, name));
  }

  async read(set: WeightSet, name: string): Promise<Float32Array> {
    this.options.signal.throwIfAborted();
    const values = await this.values(set, name);
    this.options.tell(Math.min(++this.done, this.total), this.total);
    return values;
  }

  isTrained(name: string): boolean {
    return this.parameters.has(name);
  }

  private get total(): number {
    return this.sets * this.names.length;
  }

  private async values(set: WeightSet, name: string): Promise<Float32Array> {
    const parameter = this.parameters.get(name);
    if (parameter === undefined) return computedTensor(name, this.config);
    const value = await this.source.read(set, parameter);
    return floats(toReference(floats(value), parameter, this.config));
  }
}

/** The state of `torch.optim.AdamW(model.parameters())`. The position embedding is numbered, but never trained. */
function adamW(
  { updates, learningRate, betas, weightDecay }: OptimizerState,
  reader: ReferenceReader,
): TorchWritable {
  const moments = (name: string): TorchWritable => ({
    step: new TorchTensorSource('F32', [], Float32Array.of(updates)),
    exp_avg: reader.torch('firstMoment', name),
    exp_avg_sq: reader.torch('secondMoment', name),
  });
  const numbered = [...reader.parameterNames.entries()];
  return {
    state: new Map(
      numbered.filter(([, name]) => reader.isTrained(name)).map(([i, name]) => [i, moments(name)] as const),
    ),
    param_groups: [
      {
        lr: learningRate,
        betas,
        eps: 1e-8,
        weight_decay: weightDecay,
        amsgrad: false,
        maximize: false,
        foreach: null,
        capturable: false,
        differentiable: false,
        fused: null,
        decoupled_weight_decay: true,
        params: numbered.map(([i]) => i),
      },
    ],
  };
}

/** The options with which the reference's scripts make this model. */
function argsOf({ config, interpolant, prediction }: ModelDescription): TorchWritable {
  const { latentSize, classes, mediators } = config;
  const sizes = ['hiddenSize', 'depth', 'heads', 'patchSize'] as const;
  const named = namedModels().find((model) => sizes.every((key) => model[key] === config[key]));
  return {
    ...(named && { model: named.name }),
    image_size: latentSize * referenceDownsample,
    num_classes: classes,
    mediator_num: new Set(mediators).size === 1 ? mediators[0]! : mediators,
    path_type: theirs('interpolant', interpolant),
    prediction: theirs('prediction', prediction),
  };
}
