import { type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { normal } from '../../src/nn/parameter.js';
import {
  largestCost,
  type Network,
  pathOf,
  type PathResult,
  phasedCost,
  type PhaseOptions,
  type SamplerSettings,
  stepCosts,
  stepEvaluations,
} from '../../src/sampling/index.js';
import {
  CompiledProgram,
  type HostTensor,
  int32,
  nativeBackend,
  randomNormal,
  type RuntimeOptions,
  type Session,
  streamKey,
  type Tensor1D,
} from '../../src/tensorflow/index.js';
import { type Measurement, row } from './measure.js';
import { choice, openSession, weightsIn } from './workload.js';

/** Models that take turns, and what they draw. */
export interface SamplingWorkload {
  /** Models from the first phase to the last, which is the largest. */
  readonly models: readonly SiTConfig[];
  readonly switchRatios: readonly number[];
  readonly steps: number;
  /** Samples drawn together. */
  readonly samples: number;
  /** Samples drawn one at a time. */
  readonly alone: number;
  readonly runtime: RuntimeOptions;
}

/** Samples of a run that is worth measuring: as many as a model is evaluated with. */
const longRun = 50_000;

/** Measurement of a way of sampling: `seconds` are those of one sample. */
export interface SamplingMeasurement extends Measurement {
  /** Part of the multiply-accumulates that is saved against the largest model alone. */
  readonly saved_share?: number;
}

/**
 * Measures Euler–Maruyama: the largest model alone, and models that take turns, for samples together and for one at a
 * time. Weights are random. Every path is followed once before; then the first two take turns, and the best counts.
 */
export async function* measureSampling(workload: SamplingWorkload): AsyncGenerator<SamplingMeasurement> {
  const { models, switchRatios, samples, alone, runtime } = workload;
  nativeBackend(runtime);
  const session = openSession(runtime);
  try {
    const networks = await Promise.all(models.map((model, i) => openNetwork(session, model, i)));
    const phases: PhaseOptions = { distance: 'mae', firstSteps: 3, switchRatios };
    const single: PhaseOptions = { ...phases, switchRatios: [] };
    const drawn = drawing(session, models[0]!);
    const settings = settingsOf(workload);
    const ready = (of: readonly Network[], switching: PhaseOptions, batch: number, count: number) =>
      prepare({ session, of, switching, settings, drawn, classes: models[0]!.classes }, batch, count);

    const whole = await ready(networks.slice(-1), single, samples, samples);
    const together = await ready(networks, phases, samples, samples);
    const [seconds, ofPhases] = await bestByTurns([whole.follow, together.follow]);
    yield rowOf('sampling', seconds! / samples);
    yield {
      ...rowOf('step-wise sampling', ofPhases! / samples),
      saved_share: savedShare(together.results, networks, settings),
    };
    const separate = await ready(networks, phases, 1, alone);
    const [apart] = await bestByTurns([separate.follow]);
    yield rowOf('step-wise sampling, one at a time', apart! / alone);
  } finally {
    await session.close();
  }
}

const rowOf = (what: string, seconds: number): Measurement =>
  row(what, seconds, { images_per_s: 1 / seconds });

const settingsOf = ({ steps }: SamplingWorkload): SamplerSettings => ({
  choice: { kind: 'sde', method: 'eulerMaruyama', diffusion: 'sigma', lastStep: 'mean', lastStepSize: 0.04 },
  steps,
  diffusionNorm: 1,
  order: 2,
  tolerances: { absolute: 1e-6, relative: 1e-3 },
});

async function openNetwork(session: Session, config: SiTConfig, seed: number): Promise<Network> {
  // Zeros would leave every sample where it is.
  const parameters = sitParameters(config).map((parameter) =>
    parameter.initial.kind === 'zeros' ? { ...parameter, initial: normal(0.02) } : parameter,
  );
  const weights = await weightsIn(session, parameters, seed);
  return { model: { config, transport: choice, weights } };
}

type Drawing = (purpose: string, first: number, size: number, step: number) => Promise<HostTensor>;

function drawing(session: Session, { latentSize, channels }: SiTConfig): Drawing {
  const noise = new CompiledProgram(
    session,
    ({ key, first, each }: Record<'key' | 'first' | 'each', Tensor1D>) => ({
      x: randomNormal(key, first, each.size, [latentSize, latentSize, channels]),
    }),
  );
  return async (purpose, first, size, step) => {
    const inputs = {
      key: streamKey(0, purpose, step),
      first: int32([1], Int32Array.of(first)),
      each: int32([size], new Int32Array(size)),
    };
    return (await noise.call(inputs)).x;
  };
}

interface Sampling {
  readonly session: Session;
  readonly of: readonly Network[];
  readonly switching: PhaseOptions;
  readonly settings: SamplerSettings;
  readonly drawn: Drawing;
  readonly classes: number;
}

/** Seconds of the fastest of two calls of each, which take turns. */
async function bestByTurns(calls: readonly (() => Promise<unknown>)[]): Promise<number[]> {
  const best = calls.map(() => Infinity);
  for (let round = 0; round < 2; round++)
    for (const [i, call] of calls.entries()) {
      const begin = performance.now();
      await call();
      best[i] = Math.min(best[i]!, (performance.now() - begin) / 1000);
    }
  return best;
}

/** Follows all paths once; gives what came out, and what follows them again. */
async function prepare(
  { session, of, switching, settings, drawn, classes }: Sampling,
  batch: number,
  count: number,
): Promise<{ readonly follow: () => Promise<PathResult[]>; readonly results: readonly PathResult[] }> {
  const path = pathOf({
    session,
    networks: of,
    phases: switching,
    settings,
    mostSamples: batch,
    totalSamples: longRun,
  });
  const labels = int32(
    [batch],
    Int32Array.from({ length: batch }, (_, i) => i % classes),
  );
  const follow = async (): Promise<PathResult[]> => {
    const results: PathResult[] = [];
    for (let first = 0; first < count; first += batch)
      results.push(
        await path({
          init: await drawn('start', first, batch, 0),
          perSample: { labels },
          noise: (step) => drawn('noise', first, batch, step),
        }),
      );
    return results;
  };
  return { follow, results: await follow() };
}

function savedShare(
  results: readonly PathResult[],
  networks: readonly Network[],
  settings: SamplerSettings,
): number {
  const evaluations = stepEvaluations({ ...choice, config: networks[0]!.model.config }, settings, undefined);
  const costs = networks.map((network) => stepCosts(network, evaluations));
  const samples = results.flatMap(({ x, switches }) =>
    Array.from({ length: x.shape[0]! }, (_, row) => switches.filter((found) => found.row === row)),
  );
  const spent = samples.map((own) => {
    const after = networks.slice(1).map((_, i) => own.find(({ to }) => to >= i + 1)?.step ?? null);
    return phasedCost(costs, after);
  });
  return 1 - spent.reduce((sum, each) => sum + each, 0) / (samples.length * largestCost(costs));
}
