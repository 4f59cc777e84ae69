import {
  adaptiveStep,
  fixedStepMethods,
  integrate,
  integrateAdaptive,
  sdeSampler,
  stepInputs,
  uniformTimes,
} from '../../../src/sampling/index.js';
import { float32, type HostTensor, type Tensor } from '../../../src/tensorflow/index.js';
import {
  lastStepSize,
  odeIntegrator,
  type OdeMethod,
  type OneStepMethod,
  type SdeSampler,
  timeInterval,
  type TransportChoice,
  transportOf,
  velocityField,
} from '../../../src/transport/index.js';
import { ours } from '../../../src/transport/reference-names.js';
import { analyticModel } from '../analytic-model.js';
import { type Check, expectNear, notUnderstood, type ProgramFixtureKind } from '../check.js';
import type { Execution } from '../execution.js';
import {
  type Fixture,
  programInput,
  readFixture,
  slice,
  specNumber,
  specText,
  statedTolerance,
  stored,
} from '../fixture.js';
import { channelsFirst } from '../layout.js';

/** Tolerances of torchdiffeq's adaptive solver in the fixtures. */
const odeTolerances = { absolute: 1e-6, relative: 1e-3 };

/** Whole paths of SDE and ODE samplers from given noise. */
export const samplerKind: ProgramFixtureKind = {
  name: 'sampler',
  files: /^sampler_.*\.safetensors$/,
  programs: true,
  async checks(path, execution) {
    const fixture = await readFixture(path);
    const transport = transportNamed(fixture);
    return [...fixture.tensors.keys()]
      .filter((name) => name !== 'init' && !name.endsWith('.noise'))
      .map((name) => pathCheck(fixture, name, transport, execution));
  },
};

/** The transport that the file's name or its spec's first words tell: `sampler_GVP_score`, `GVP path, score prediction`. */
function transportNamed(fixture: Fixture): TransportChoice | undefined {
  const words = /(\w+) path, (\w+) prediction/.exec(specText(fixture, 'what', '')) ?? fixture.name.split('_');
  const interpolant = ours('interpolant', words[1]);
  const prediction = ours('prediction', words[2]);
  return interpolant && prediction && { interpolant, prediction };
}

function pathCheck(
  fixture: Fixture,
  name: string,
  transport: TransportChoice | undefined,
  execution: Execution,
): Check {
  const parts = name.split('.');
  const result = parts.at(-1);
  const states = transport && statesOf(fixture, parts, transport, execution);
  if (states === undefined || (result !== 'final' && result !== 'trajectory')) return notUnderstood(name);
  const tolerance = {
    ofLargest: statedTolerance(fixture, 1e-4, parts[1] === 'dopri5' ? 'dopri5' : undefined),
  };
  return expectNear(name, stored(fixture, name), tolerance, async () => {
    const all = await states();
    return result === 'final' ? channelsFirst(all.at(-1)!) : stack(all.map(channelsFirst));
  });
}

/** Computes the states of `sde.Heun.sigma.Mean` or `ode.rk4`. */
function statesOf(
  fixture: Fixture,
  [kind, first, second, third]: readonly string[],
  transport: TransportChoice,
  execution: Execution,
): (() => Promise<HostTensor[]>) | undefined {
  if (kind === 'ode') {
    const method = ours('odeMethod', first);
    return method && (() => odeStates(fixture, method, transport, execution));
  }
  const method = ours('sdeMethod', first);
  const diffusion = ours('diffusion', second);
  const lastStep = ours('lastStep', third);
  if (kind !== 'sde' || !method || !diffusion || !lastStep) return undefined;
  const sampler: SdeSampler = {
    kind: 'sde',
    method,
    diffusion,
    lastStep,
    lastStepSize: specNumber(fixture, 'last_step_size'),
  };
  const noise = programInput(fixture, `sde.${first}.${second}.${third}.noise`);
  return () => sdeStates(fixture, sampler, noise, transport, execution);
}

async function sdeStates(
  fixture: Fixture,
  sampler: SdeSampler,
  noise: HostTensor,
  choice: TransportChoice,
  execution: Execution,
): Promise<HostTensor[]> {
  const programs = sdeSampler(transportOf(choice), sampler, analyticModel);
  const step = await execution.prepare(programs.step);
  const last = programs.lastStep && (await execution.prepare(programs.lastStep));
  const states: HostTensor[] = [];
  await integrate({
    init: programInput(fixture, 'init'),
    times: timesOf(fixture, choice, sampler),
    step: async (x, at) => (await step({ ...stepInputs(x, at), noise: slice(noise, at.index) })).x,
    lastStep: {
      size: lastStepSize(sampler),
      step: async (x, at) => (last === undefined ? x : (await last(stepInputs(x, at))).x),
    },
    onStep: (x) => void states.push(x),
  });
  return states;
}

async function odeStates(
  fixture: Fixture,
  method: OdeMethod,
  choice: TransportChoice,
  execution: Execution,
): Promise<HostTensor[]> {
  const field = velocityField(transportOf(choice), analyticModel);
  const init = programInput(fixture, 'init');
  const times = timesOf(fixture, choice, { kind: 'ode', method });
  const integrator = odeIntegrator(method);
  if (integrator.kind === 'adaptive') {
    type State = Record<'x' | 't', Tensor>;
    type Inputs = Record<'x' | 't' | 'dt' | 'f', Tensor>;
    const { states } = await integrateAdaptive({
      init,
      times,
      integrator,
      tolerances: odeTolerances,
      control: 'batch',
      field: await execution.prepare(({ x, t }: State) => ({ f: field(x, t) })),
      step: await execution.prepare((inputs: Inputs) =>
        adaptiveStep(integrator, field, inputs, odeTolerances),
      ),
    });
    return [...states];
  }
  if (integrator.kind === 'multistep') return [];
  const program = await execution.prepare((inputs: Record<'x' | 't' | 'dt', Tensor>) => ({
    x: fixedStepMethods[method as OneStepMethod].step(field, inputs).x,
  }));
  const states: HostTensor[] = [init];
  await integrate({
    init,
    times,
    step: async (x, at) => (await program(stepInputs(x, at))).x,
    onStep: (x) => void states.push(x),
  });
  return states;
}

function timesOf(
  fixture: Fixture,
  choice: TransportChoice,
  sampler: Parameters<typeof timeInterval>[2],
): number[] {
  const interval = timeInterval(choice, specNumber(fixture, 'sample_eps'), sampler);
  return uniformTimes(interval, specNumber(fixture, 'num_steps'));
}

function stack(tensors: readonly HostTensor[]): HostTensor {
  const [first] = tensors;
  const data = tensors.flatMap((tensor) => Array.from(tensor.data));
  return float32([tensors.length, ...(first?.shape ?? [])], Float32Array.from(data));
}
