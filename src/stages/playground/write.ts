import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { UserError } from '../../base/errors.js';
import { formatBytes } from '../../base/format.js';
import { writeFileWhole } from '../../base/output-file.js';
import { openTensors } from '../../formats/safetensors/shards.js';
import type { PlaygroundConfig, SampleConfig, SamplerConfig } from '../../generated/index.js';
import { numbersIn, type Parameter } from '../../nn/parameter.js';
import type { StageContext, StageOutput } from '../../runner/stage.js';
import type { SamplerSettings } from '../../sampling/index.js';
import { integratorNames } from '../../transport/integrators.js';
import { hasMargin, type TransportChoice, unsupportedCombination } from '../../transport/index.js';
import { differentScale, scaledNormalization } from '../../weights/model-source.js';
import { openModelWeights, type WeightsReader } from '../../weights/model-weights.js';
import { readSavedAutoencoder } from '../../weights/saved-files.js';
import { foldedGuidance } from '../shared/guidance-checks.js';
import { type FoundModel, findModels } from '../sample/models.js';
import { type RunnablePlan, runnablePlan, sampleDefaults } from '../sample/plan.js';
import { asSample } from './as-sample.js';
import { type Description, parametersOf, type PlaygroundModel } from './description.js';
import { playgroundShell } from './shell.js';
import { packWeights, unpackWeights, type WeightType, weightTypes } from './weight-types.js';

/** Compression of packed weights. */
export const compressed: (packed: Uint8Array) => Promise<Buffer> = promisify(gzip);

/** Weights that a browser can be expected to open in one page. */
const mostBytes = 2 ** 28;

export interface PlaygroundSource {
  readonly config: Omit<PlaygroundConfig, 'title'>;
  readonly title: string;
  readonly pipeline: string;
  readonly seed: number;
  /** Outputs of the stages that the configuration names. */
  readonly input: (stage: string) => Pick<StageOutput, 'directory' | 'config'>;
  /** Callback with doubts about what goes together. */
  readonly onDoubt?: (message: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes the page that draws with a pipeline's models.
 *
 * @throws UserError `playground-too-large`, `weights-not-held` where their type does not hold them, and as `findModels` does
 */
export async function writePlayground(
  path: string,
  source: PlaygroundSource,
): Promise<{ readonly models: number; readonly megabytes: number }> {
  const { signal, input } = source;
  const plan = runnablePlan(asSample(source.config));
  const { phases, base } = await findModels(plan, { input: input as StageContext['input'] });
  const autoencoder = await readSavedAutoencoder(input(plan.config.autoencoder).directory);
  const { scalingFactor } = autoencoder;
  const own = scalingFactor && scaledNormalization(autoencoder.config.latentChannels, autoencoder);
  const [{ stage, saved }] = phases as [FoundModel];
  const doubt = own && differentScale(stage, saved.normalization, plan.config.autoencoder, own);
  if (doubt) source.onDoubt?.(doubt);
  const models = [...phases, ...(base ? [base] : [])];
  const description = describe(source, plan, phases, base, autoencoder.config);
  const parameters = parametersOf(description);
  const files = [
    ...models.map(({ stage, directory, saved }, i) => {
      const weights = i < phases.length ? plan.config.weights : plan.guidance.weights;
      return {
        open: () => openModelWeights(stage, directory, saved, weights),
        parameters: parameters.models[i]!,
      };
    }),
    {
      open: () => openTensors(join(input(plan.config.autoencoder).directory, autoencoder.weights)),
      parameters: parameters.decoder,
    },
  ];
  const count = numbersIn(files.flatMap((file) => file.parameters));
  const { weightType } = description;
  mustFit(count * weightTypes[weightType].bytes, weightType);
  const packed: Uint8Array[] = [];
  const total = files.reduce((sum, file) => sum + file.parameters.length, 0);
  for (const file of files)
    await readEach(file.open, file.parameters, (values, { name }, path) => {
      signal?.throwIfAborted();
      const bytes = packWeights(values, weightType);
      if (!unpackWeights(bytes, weightType).every(Number.isFinite)) throw notHeld(weightType, name, path);
      packed.push(bytes);
      source.onProgress?.(packed.length, total);
    });
  const weights = await compressed(Buffer.concat(packed));
  const [before, after] = await playgroundShell(description);
  const page = Buffer.concat([
    Buffer.from(before),
    Buffer.from(weights.toString('base64'), 'latin1'),
    Buffer.from(after),
  ]);
  await writeFileWhole(path, page);
  return { models: models.length, megabytes: Math.round(page.length / 1e5) / 10 };
}

function describe(
  { title, pipeline, seed, config: own, input }: PlaygroundSource,
  { config, guidance, switching, settings }: RunnablePlan,
  phases: readonly FoundModel[],
  base: FoundModel | undefined,
  autoencoder: Description['autoencoder'],
): Description {
  const { interpolant, prediction, normalization, classes } = phases[0]!.saved;
  const transport = { interpolant, prediction };
  const { mean } = normalization;
  const { scale, channels, interval } = guidance;
  const model = ({ stage, saved }: FoundModel, weights: string): PlaygroundModel => ({
    ...{ stage, weights, config: saved.config },
  });
  const { weightType } = own;
  return {
    ...{ title, pipeline, normalization, classes, autoencoder, weightType },
    phases: phases.map((phase) => model(phase, config.weights)),
    ...(base && { base: model(base, guidance.weights) }),
    transport,
    decoder: config.autoencoder,
    guides: base !== undefined || phases.every((model) => canBeGuided(model, input(model.stage).config)),
    samplers: samplersFor(config, transport),
    start: {
      seed,
      // The first three are all of a latent that has no more.
      guidance: {
        scale,
        channels: channels === 3 && mean.length < 3 ? 'all' : channels,
        ...(interval && { interval }),
      },
      switching,
      sampler: settings,
    },
  };
}

/** True of a model that knows images without a class, and does not draw guided samples by itself. */
function canBeGuided({ saved }: FoundModel, config: unknown): boolean {
  // Outputs of earlier versions say it by their configuration alone.
  const folded = foldedGuidance(config ?? {});
  return saved.config.labelDropout > 0 && saved.guided !== true && folded === undefined;
}

/**
 * The stage's own sampler and those of all other methods, with the stage's values or the defaults of what it leaves out, and
 * of a margin at which a method would divide by zero, or which it does not keep.
 */
function samplersFor({ sampler, ...config }: SampleConfig, transport: TransportChoice): SamplerSettings[] {
  const defaults = (kind: SamplerConfig['kind']) => sampleDefaults({ sampler: { kind } }).sampler;
  return (['sde', 'ode'] as const).flatMap((kind) =>
    integratorNames(kind).map((method) => {
      const isOwn = sampler.kind === kind && sampler.method === method;
      const values = sampler.kind === kind ? sampler : { ...defaults(kind), steps: sampler.steps };
      const own = { ...values, method: method as SamplerConfig['method'] };
      if (!isOwn) delete own.featureCache;
      const planned = () => runnablePlan({ ...config, sampler: own });
      const { settings } = planned();
      const { choice } = settings;
      const isRefused = unsupportedCombination({ ...transport, ...settings, sampler: choice }) !== undefined;
      if (isRefused || !hasMargin(transport, choice)) delete own.sampleEpsilon;
      const { settings: fit, step } = planned();
      // A method that chooses its steps takes no shift of them.
      return step?.isAdaptive === true ? { ...fit, timeShift: 1 } : fit;
    }),
  );
}

async function readEach(
  open: () => Promise<WeightsReader>,
  parameters: readonly Parameter[],
  use: (values: Float32Array, parameter: Parameter, path: string) => void,
): Promise<void> {
  const file = await open();
  try {
    for (const parameter of parameters) use(await file.readFloat32(parameter.name), parameter, file.path);
  } finally {
    await file.close();
  }
}

function mustFit(bytes: number, type: WeightType): void {
  if (bytes <= mostBytes) return;
  throw new UserError({
    code: 'playground-too-large',
    message: `A page holds at most ${formatBytes(mostBytes)} of weights; these models have ${formatBytes(bytes)} in ${type}.`,
    remedy: `Show a smaller model, or fewer of them${type === 'float16' ? '' : ', or store them as float16'}.`,
  });
}

const notHeld = (type: WeightType, name: string, path: string): UserError =>
  new UserError({
    code: 'weights-not-held',
    message: `${path}: the weights of ${name} have values that ${type} does not hold: ${type === 'float16' ? 'beyond 65,504, or ' : ''}not a number.`,
    remedy: `Train with a lower learning rate, or show an average of the weights (\`weights: ema\`)${type === 'float16' ? ', or store them as float32' : ''}.`,
  });
