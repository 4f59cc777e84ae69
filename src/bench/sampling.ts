/**
 * Measures step-wise sampling: phases at a batch of 64 against the same phases one sample at a time, and against the
 * largest model alone.
 *
 *   npm run bench:sampling -- [--model small | SiT-S/2] [--samples 64] [--steps 20] [--threads 2]
 */
import { parseArgs } from 'node:util';
import type { SiTConfig } from '../models/sit/config.js';
import { sitParameters } from '../models/sit/parameters.js';
import { initialize, normal } from '../nn/parameters.js';
import {
  type Network,
  type PathResult,
  type PhaseOptions,
  type SamplerSettings,
  largestCost,
  pathOf,
  phasedCost,
  stepCosts,
  stepEvaluations,
} from '../sampling/index.js';
import {
  CompiledProgram,
  type HostTensor,
  Session,
  type Tensor1D,
  VariableStore,
  int32,
  nativeBackend,
  randomNormal,
  streamKey,
} from '../tensorflow/index.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'small' },
    samples: { type: 'string', default: '64' },
    steps: { type: 'string', default: '20' },
    alone: { type: 'string', default: '4' },
    threads: { type: 'string', default: '2' },
  },
});

const isSmall = values.model === 'small';
const base: Omit<SiTConfig, 'mediators'> = isSmall
  ? {
      latentSize: 8,
      channels: 4,
      patchSize: 2,
      hiddenSize: 192,
      depth: 6,
      heads: 4,
      classes: 10,
      labelDropout: 0.1,
    }
  : {
      latentSize: 32,
      channels: 4,
      patchSize: 2,
      hiddenSize: 384,
      depth: 12,
      heads: 6,
      classes: 1000,
      labelDropout: 0.1,
    };
const mediators = isSmall ? [1, 4, 16] : [4, 16, 64];
const samples = Number(values.samples);
const settings: SamplerSettings = {
  choice: { kind: 'sde', method: 'eulerMaruyama', diffusion: 'sigma', lastStep: 'mean', lastStepSize: 0.04 },
  steps: Number(values.steps),
  diffusionNorm: 1,
  order: 2,
  tolerances: { absolute: 1e-6, relative: 1e-3 },
};
const options = { device: 'cpu', precision: 'float32', threads: Number(values.threads) } as const;

nativeBackend(options);
const session = new Session(options);
const networks = await Promise.all(mediators.map((count, i) => openNetwork(count, i)));
const phases: PhaseOptions = { distance: 'mae', firstSteps: 3, switchRatios: [0.95, 0.8] };
const noise = new CompiledProgram(
  session,
  ({ key, first, each }: Record<'key' | 'first' | 'each', Tensor1D>) => ({
    x: randomNormal(key, first, each.size, [base.latentSize, base.latentSize, base.channels]),
  }),
);

const largest = networks.slice(-1);
const whole = await measure(
  'largest model alone, batch of 64',
  largest,
  { ...phases, switchRatios: [] },
  samples,
);
const together = await measure('phases, batch of 64', networks, phases, samples);
const alone = await measure('phases, one at a time', networks, phases, 1, Number(values.alone));
const saved = savedShare(together.results);
console.log(`multiply-accumulates saved: ${(saved * 100).toFixed(1)} %`);
console.log(`time saved against the largest model: ${((1 - whole.rate / together.rate) * 100).toFixed(1)} %`);
console.log(`batch of 64 against one at a time: ${(together.rate / alone.rate).toFixed(2)} ×`);
await session.close();

async function openNetwork(count: number, seed: number): Promise<Network> {
  const config = { ...base, mediators: new Array<number>(base.depth).fill(count) };
  const parameters = sitParameters(config).map((parameter) =>
    parameter.initial.kind === 'zeros' ? { ...parameter, initial: normal(0.02) } : parameter,
  );
  const variables = parameters.map(({ name, shape }) => session.variable(name, shape));
  const start = initialize(parameters, seed);
  await new VariableStore(session, variables).write(({ name }) => Promise.resolve(start[name]!));
  const weights = Object.fromEntries(variables.map((variable) => [variable.name, variable]));
  return { model: { config, transport: { interpolant: 'linear', prediction: 'velocity' }, weights } };
}

/** Samples a second, compiling left out: every path is followed twice and the second time counts. */
async function measure(
  name: string,
  of: readonly Network[],
  switching: PhaseOptions,
  batch: number,
  count = batch,
): Promise<{ rate: number; results: PathResult[] }> {
  const follow = pathOf({ session, networks: of, phases: switching, settings, mostSamples: batch });
  const once = async (first: number): Promise<PathResult> =>
    follow({
      init: await drawn('start', first, batch, 0),
      perSample: {
        labels: int32(
          [batch],
          Int32Array.from({ length: batch }, (_, i) => i % base.classes),
        ),
      },
      noise: (step) => drawn('noise', first, batch, step),
    });
  for (let first = 0; first < count; first += batch) await once(first);
  const begin = performance.now();
  const results: PathResult[] = [];
  for (let first = 0; first < count; first += batch) results.push(await once(first));
  const rate = (count * 1000) / (performance.now() - begin);
  console.log(`${name}: ${rate.toPrecision(4)} samples/s`);
  return { rate, results };
}

async function drawn(purpose: string, first: number, size: number, step: number): Promise<HostTensor> {
  const inputs = {
    key: streamKey(0, purpose, step),
    first: int32([1], Int32Array.of(first)),
    each: int32([size], new Int32Array(size)),
  };
  return (await noise.call(inputs)).x;
}

function savedShare(results: readonly PathResult[]): number {
  const evaluations = stepEvaluations({ interpolant: 'linear', prediction: 'velocity' }, settings, undefined);
  const costs = networks.map((network) => stepCosts(network, evaluations));
  let spent = 0;
  for (const { x, switches } of results)
    for (let row = 0; row < x.shape[0]!; row++) {
      const own = switches.filter((found) => found.row === row);
      const after = [1, 2].map((phase) => own.find(({ to }) => to >= phase)?.step ?? null);
      spent += phasedCost(costs, after);
    }
  return 1 - spent / (samples * largestCost(costs));
}
