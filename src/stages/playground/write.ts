import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { formatBytes } from '../../base/format.js';
import { writeFileWhole } from '../../base/output-file.js';
import { openTensors } from '../../formats/safetensors/shards.js';
import { encodeFloat16 } from '../../formats/typed-arrays.js';
import type { PlaygroundConfig, SampleConfig, SamplerConfig } from '../../generated/index.js';
import type { Parameter } from '../../nn/parameter.js';
import type { StageContext } from '../../runner/stage.js';
import type { SamplerSettings } from '../../sampling/index.js';
import { sizeOf } from '../../tensorflow/data-types.js';
import { integratorNames } from '../../transport/integrators.js';
import { differentScale, scaledNormalization } from '../../weights/model-source.js';
import { readSavedAutoencoder } from '../../weights/saved-files.js';
import { type FoundModel, findModels } from '../sample/models.js';
import { type RunnablePlan, runnablePlan, sampleDefaults, samplePlan } from '../sample/plan.js';
import { asSample } from './as-sample.js';
import { type Description, parametersOf, type PlaygroundModel } from './description.js';
import { playgroundShell } from './shell.js';

/** Weights that a browser can be expected to open in one page. */
const mostBytes = 2 ** 28;
const bytesPerNumber = { float16: 2, float32: 4 } as const;

export interface PlaygroundSource {
  readonly config: Omit<PlaygroundConfig, 'title'>;
  readonly title: string;
  readonly pipeline: string;
  readonly seed: number;
  /** Outputs of the stages that the configuration names. */
  readonly input: (stage: string) => Pick<ReturnType<StageContext['input']>, 'directory'>;
  /** Callback with doubts about what goes together. */
  readonly onDoubt?: (message: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes the page that draws with a pipeline's models.
 *
 * @throws UserError `playground-too-large`, `half-precision` where weights exceed it, and as `findModels` does
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
    ...models.map(({ directory, saved }, i) => {
      const weights = i < phases.length ? plan.config.weights : plan.guidance.weights;
      return {
        path: join(directory, saved.weights[weights as keyof typeof saved.weights]!),
        parameters: parameters.models[i]!,
      };
    }),
    {
      path: join(input(plan.config.autoencoder).directory, autoencoder.weights),
      parameters: parameters.decoder,
    },
  ];
  const count = files.flatMap((file) => file.parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const { weightType } = description;
  mustFit(count * bytesPerNumber[weightType], weightType);
  const numbers = weightType === 'float16' ? new Uint16Array(count) : new Float32Array(count);
  let at = 0;
  let done = 0;
  const total = files.reduce((sum, file) => sum + file.parameters.length, 0);
  for (const file of files)
    await readEach(file.path, file.parameters, (values, { name }) => {
      signal?.throwIfAborted();
      const place = numbers.subarray(at, at + values.length);
      if (place instanceof Float32Array) place.set(values);
      else {
        encodeFloat16(values, place);
        mustBeFinite(place, name, file.path);
      }
      at += values.length;
      source.onProgress?.(++done, total);
    });
  const [before, after] = await playgroundShell(description);
  const page = Buffer.concat([
    Buffer.from(before),
    Buffer.from(Buffer.from(numbers.buffer).toString('base64'), 'latin1'),
    Buffer.from(after),
  ]);
  await writeFileWhole(path, page);
  return { models: models.length, megabytes: Math.round(page.length / 1e5) / 10 };
}

function describe(
  { title, pipeline, seed, config: own }: PlaygroundSource,
  { config, guidance, switching, settings }: RunnablePlan,
  phases: readonly FoundModel[],
  base: FoundModel | undefined,
  autoencoder: Description['autoencoder'],
): Description {
  const { interpolant, prediction, normalization, classes } = phases[0]!.saved;
  const model = ({ stage, saved }: FoundModel): PlaygroundModel => ({ stage, config: saved.config });
  const { scale, channels, interval } = guidance;
  const { weightType } = own;
  return {
    ...{ title, pipeline, normalization, classes, autoencoder, weightType },
    phases: phases.map(model),
    ...(base && { base: model(base) }),
    transport: { interpolant, prediction },
    decoder: config.autoencoder,
    guides: base !== undefined || phases.every(({ saved }) => saved.config.labelDropout > 0),
    samplers: samplersFor(config),
    start: {
      seed,
      guidance: { scale, channels, ...(interval && { interval }) },
      switching,
      sampler: settings,
    },
  };
}

/** The stage's own sampler and those of all other methods, with the stage's values or the defaults of what it leaves out. */
function samplersFor({ sampler, ...config }: SampleConfig): SamplerSettings[] {
  const defaults = (kind: SamplerConfig['kind']) => sampleDefaults({ sampler: { kind } }).sampler;
  return (['sde', 'ode'] as const).flatMap((kind) =>
    integratorNames(kind).flatMap((method) => {
      const isOwn = sampler.kind === kind && sampler.method === method;
      const values = sampler.kind === kind ? sampler : { ...defaults(kind), steps: sampler.steps };
      const own = { ...values, method: method as SamplerConfig['method'] };
      if (!isOwn) delete own.featureCache;
      return samplePlan({ ...config, sampler: own }).settings ?? [];
    }),
  );
}

async function readEach(
  path: string,
  parameters: readonly Parameter[],
  use: (values: Float32Array, parameter: Parameter) => void,
): Promise<void> {
  const file = await openTensors(path);
  try {
    for (const parameter of parameters) use(await file.readFloat32(parameter.name), parameter);
  } finally {
    await file.close();
  }
}

function mustFit(bytes: number, type: Description['weightType']): void {
  if (bytes <= mostBytes) return;
  throw new UserError({
    code: 'playground-too-large',
    message: `A page holds at most ${formatBytes(mostBytes)} of weights; these models have ${formatBytes(bytes)} in ${type}.`,
    remedy: `Show a smaller model, or fewer of them${type === 'float32' ? ', or store them as float16' : ''}.`,
  });
}

function mustBeFinite(halves: Uint16Array, name: string, path: string): void {
  // All bits of the exponent: infinite, or not a number.
  if (!halves.some((bits) => (bits & 0x7c00) === 0x7c00)) return;
  throw new UserError({
    code: 'half-precision',
    message: `${path}: the weights of ${name} have values that half precision does not hold, beyond 65,504 or not a number.`,
    remedy:
      'Train with a lower learning rate, or show an average of the weights (`weights: ema`), or store them as float32.',
  });
}
