import { closedError, mustBePath, UserError } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import type { ModelConfig } from '../generated/index.js';
import { mediatorsPerBlock, type SiTConfig, sitParameters } from '../models/sit/config.js';
import { openSitSession, sit } from '../models/sit/sit.js';
import type { Parameter } from '../nn/parameter.js';
import { initialize } from '../nn/parameters.js';
import type { SessionModel } from '../sampling/index.js';
import {
  compile,
  type Compiled,
  type HostTensor,
  type HostTensors,
  openStore,
  type ProgramSession,
  type ProgramStore,
  type RuntimeOptions,
  startEngine,
  type Tensor1D,
  type Tensor4D,
} from '../tensorflow/index.js';
import type { Normalization } from '../training/diffusion-loss.js';
import type { TransportChoice } from '../transport/index.js';
import type { ModelSource } from '../weights/model-source.js';
import { namedModels } from '../weights/named-models.js';
import { openNamedModel } from '../weights/open.js';
import { writeSaved } from '../weights/write.js';
import { checkOptions, modelStages, type OptionsOfModel } from './options.js';

/** Names of the paper's models. */
export type ModelName = NonNullable<ModelConfig['name']>;

/** Sizes of a SiT: a name of the paper's, or each of them. */
export type SiTSizes =
  { readonly name: ModelName } | Pick<SiTConfig, 'hiddenSize' | 'depth' | 'heads' | 'patchSize'>;

export type SiTOptions = SiTSizes & {
  /** Side of a latent, in latent pixels: a multiple of the patch size. */
  readonly latentSize: number;
  /** Channels of a latent. Default 4. */
  readonly channels?: number;
  readonly classes: number;
  /** Mediators of every block, or of each; a perfect square, 0 is full attention. */
  readonly mediators: number | readonly number[];
  /** Probability that training leaves the class out; above 0 there is a null class. Default 0.1. */
  readonly labelDropout?: number;
  readonly qkNorm?: boolean;
  /** Norms of the root mean square in place of layer norms. */
  readonly rmsNorm?: boolean;
  /** Gated hidden layers, SwiGLU, in place of GELU. */
  readonly swiGlu?: boolean;
  /** Rotary positions; a number spreads them over so many tokens along a side. */
  readonly rope?: boolean | number;
  /** Values of blocks after the first are mixed with those of the first. */
  readonly valueResidual?: boolean;
};

/** Device, precision and session of a model. */
export interface SiTPlace {
  /** Default: one of its own, which `close` closes. Models that draw together share one. */
  readonly session?: ProgramSession;
  /** Options of its own session. Default: the processor or GPU that there is, float32. */
  readonly runtime?: RuntimeOptions;
}

/**
 * A scalable interpolant transformer with its weights in a session. Values cross as host tensors, so that nothing has to
 * be disposed of; close it after use.
 *
 * Source: Ma et al., "SiT", arXiv 2401.08740; Pu et al., "Efficient Diffusion Transformer with Step-wise Dynamic
 * Attention Mediators", arXiv 2408.05710.
 */
export class SiT implements SessionModel {
  private readonly forward: Compiled<{ x: Tensor4D; t: Tensor1D; y: Tensor1D }, { output: Tensor4D }>;
  private readonly store: ProgramStore;
  private closed = false;

  private constructor(
    readonly config: SiTConfig,
    readonly transport: TransportChoice,
    /** Normalization of latents in training: samples are mapped back. */
    readonly normalization: Normalization,
    /** Names of the classes, by label. */
    readonly classes: readonly string[],
    /** True of a model that draws guided samples by itself. */
    readonly guided: boolean,
    private readonly ownSession: ProgramSession,
    private readonly variables: SessionModel['weights'],
    private readonly ownsSession: boolean,
  ) {
    this.store = openStore(ownSession, Object.values(variables));
    this.forward = compile(({ x, t, y }, w) => ({ output: sit(w, config, x, t, y) }), {
      session: ownSession,
      weights: variables,
      batch: { inputs: { x: 0, t: 0, y: 0 }, outputs: { output: 0 } },
    });
  }

  /** The session that holds the weights. @throws UserError `closed`, as everything of a closed model does */
  get session(): ProgramSession {
    this.mustBeOpen();
    return this.ownSession;
  }

  /** Variables of the session, by the names of `sitParameters`. */
  get weights(): SessionModel['weights'] {
    this.mustBeOpen();
    return this.variables;
  }

  /** The configuration that options describe, for `sit`, `sitParameters` and a training of your own. */
  static configOf(options: SiTOptions): SiTConfig {
    const { latentSize, channels = 4, classes, ...model } = options;
    checkModel({ latentSize, channels, classes, model, transport: usualTransport });
    const { mediators, labelDropout = 0.1, qkNorm, rmsNorm, swiGlu, rope, valueResidual } = options;
    const { hiddenSize, depth, heads, patchSize } = sizesOf(options);
    return {
      ...{ latentSize, channels, patchSize, hiddenSize, depth, heads, classes, labelDropout },
      mediators: typeof mediators === 'number' ? mediatorsPerBlock({ mediators, depth }) : [...mediators],
      ...(qkNorm && { qkNorm }),
      ...(rmsNorm && { rmsNorm }),
      ...(swiGlu && { swiGlu }),
      ...(rope && { rope: rope === true ? latentSize / patchSize : rope }),
      ...(valueResidual && { valueResidual }),
    };
  }

  /**
   * A model of given or fresh weights.
   *
   * @param options.weights by the names of `sitParameters`; by default the reference's start values, drawn from `seed`
   * @param options.transport what it was or will be trained on; default a linear path whose velocity is predicted
   * @throws UserError `model-options` where the sizes do not go together or a weight is missing
   */
  static async create(
    config: SiTConfig,
    options: SiTPlace & {
      readonly weights?: HostTensors;
      readonly seed?: number;
      readonly transport?: TransportChoice;
      readonly normalization?: Normalization;
      readonly classes?: readonly string[];
    } = {},
  ): Promise<SiT> {
    const { normalization, transport = usualTransport } = options;
    const { latentSize, channels, classes, ...sizes } = config;
    checkModel({ latentSize, channels, classes, model: sizes, transport });
    if (options.classes !== undefined && new Set(options.classes).size !== classes)
      throw invalid(`\`classes\` must name each of the ${classes} classes once.`);
    for (const values of normalization ? [normalization.mean, normalization.std] : [])
      if (values.length !== channels || !values.every(Number.isFinite))
        throw invalid(
          `\`normalization\` must have a mean and a deviation for each of the ${channels} channels.`,
        );
    const parameters = sitParameters(config);
    await startEngine(options.runtime);
    const values = options.weights ?? initialize(parameters, options.seed ?? 0);
    const missing = parameters.filter(({ name }) => values[name] === undefined);
    if (missing.length > 0)
      throw invalid(`the weights ${missing.map(({ name }) => name).join(', ')} are missing.`);
    const one = new Array<number>(config.channels).fill(1);
    return SiT.loaded(
      {
        ...{ config, transport },
        normalization: normalization ?? { mean: one.map(() => 0), std: one },
        classes: options.classes ?? Array.from({ length: config.classes }, (_, label) => String(label)),
      },
      options,
      ({ name }) => values[name]!,
    );
  }

  /**
   * Opens a trained model: the output of a `train` or `pretrained` stage, a folder that `pipeline import` or `save` left,
   * or a checkpoint of the PyTorch reference (`.pt` or safetensors), also of a repository on Hugging Face
   * (`hf://owner/name/file`).
   *
   * @param options.average whether the moving average of the weights is taken. Default true
   * @throws UserError with everything that is wrong with it
   */
  static async open(
    path: string,
    options: SiTPlace & { readonly average?: boolean; readonly heads?: number } = {},
  ): Promise<SiT> {
    const { average = true, heads } = options;
    mustBePath(path, 'A model');
    await startEngine(options.runtime);
    const source = await openNamedModel(path, { weights: 'all', heads }, { env: process.env });
    try {
      const { interpolant, prediction, ...description } = source.description;
      const read = (parameter: Parameter) => source.read(average ? 'ema' : 'raw', parameter);
      return await SiT.loaded({ ...description, transport: { interpolant, prediction } }, options, read);
    } finally {
      await source.close();
    }
  }

  private static async loaded(
    {
      config,
      transport,
      normalization,
      classes,
      guided = false,
    }: Pick<SiT, 'config' | 'transport' | 'normalization' | 'classes'> & { readonly guided?: boolean },
    place: SiTPlace,
    valueOf: (parameter: Parameter) => HostTensor | Promise<HostTensor>,
  ): Promise<SiT> {
    const session = place.session ?? openSitSession(place.runtime);
    const parameters = new Map(sitParameters(config).map((parameter) => [parameter.name, parameter]));
    const variables = [...parameters.values()].map(({ name, shape }) => session.variable(name, shape));
    const weights = Object.fromEntries(variables.map((variable) => [variable.name, variable]));
    const own = place.session === undefined;
    const model = new SiT(config, transport, normalization, classes, guided, session, weights, own);
    await model.store.write(({ name }) => valueOf(parameters.get(name)!));
    return model;
  }

  /**
   * Output of the network.
   *
   * @param x states [batch, latentSize, latentSize, channels], normalised
   * @param t times in [0, 1], [batch]; 0 is noise, 1 is data
   * @param y classes [batch], int32; `config.classes` is the null class
   * @returns of x's shape
   */
  async call(x: HostTensor, t: HostTensor, y: HostTensor): Promise<HostTensor> {
    this.mustBeOpen();
    return (await this.forward.call({ x, t, y })).output;
  }

  /** Every weight by its name, one at a time in memory. */
  async *readWeights(): AsyncGenerator<readonly [name: string, value: HostTensor]> {
    this.mustBeOpen();
    for await (const [{ name }, value] of this.store.read()) yield [name, value];
  }

  /** Writes the model into a folder, from which `SiT.open` and the stage `pretrained` take it. */
  async save(directory: string): Promise<void> {
    this.mustBeOpen();
    mustBePath(directory, 'The folder of a model');
    makeFolder(directory);
    const values = new Map<string, HostTensor>();
    for await (const [name, value] of this.readWeights()) values.set(name, value);
    const { config, normalization, classes, guided } = this;
    const source: ModelSource = {
      path: directory,
      description: {
        ...{ format: 'sit-1', config, ...this.transport, normalization, classes, steps: 0 },
        ...(guided && { guided }),
      },
      hasAverage: false,
      told: [],
      read: (_, { name }) => Promise.resolve(values.get(name)!),
      close: () => Promise.resolve(),
    };
    const signal = new AbortController().signal;
    await writeSaved(source, directory, { tell: () => undefined, signal });
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.forward.close();
    if (this.ownsSession) await this.ownSession.close();
  }

  private mustBeOpen(): void {
    if (this.closed) throw closedError('The model');
  }
}

function sizesOf(options: SiTOptions): Pick<SiTConfig, 'hiddenSize' | 'depth' | 'heads' | 'patchSize'> {
  return 'name' in options ? namedModels().find(({ name }) => name === options.name)! : options;
}

const usualTransport: TransportChoice = { interpolant: 'linear', prediction: 'velocity' };

/** @throws UserError `model-options` for what a `train` stage may not have either */
function checkModel(options: OptionsOfModel): void {
  for (const key of ['latentSize', 'channels', 'classes'] as const)
    if (!Number.isInteger(options[key]) || options[key] < 1)
      throw invalid(`\`${key}\` must be a whole number from 1 on; ${String(options[key])} was found.`);
  checkOptions('model-options', cannotBeMade, modelStages('model', options));
}

const cannotBeMade = 'The model cannot be made';

const invalid = (problem: string): UserError =>
  new UserError({ code: 'model-options', message: `${cannotBeMade}: ${problem}` });
