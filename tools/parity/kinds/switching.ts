import {
  integrate,
  phasedSteps,
  type PhaseStep,
  sdeSampler,
  stepInputs,
  takeRows,
  uniformTimes,
} from '../../../src/sampling/index.js';
import { float32, type HostTensor, tf } from '../../../src/tensorflow/index.js';
import {
  type SdeSampler,
  timeInterval,
  transportOf,
  type VectorField,
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

/** The reference asks its model twice a step: for the drift, then for the score. */
const callsPerStep = 2;

/** The models are the analytic one times these, where the spec does not tell. */
const usualFactors = [1, 0.9, 0.8];

const inputs = new Set(['init', 'noise']);

/** Paths of an SDE over several models, from one to the next as states change less. */
export const switchingKind: ProgramFixtureKind = {
  name: 'switching',
  files: /^switching_.*\.safetensors$/,
  programs: true,
  async checks(path, execution) {
    const fixture = await readFixture(path);
    return [...fixture.tensors.keys()]
      .filter((name) => !inputs.has(name))
      .map((name) => checkOf(fixture, name, execution));
  },
};

function checkOf(fixture: Fixture, name: string, execution: Execution): Check {
  const expected = stored(fixture, name);
  if (name === 'trajectory')
    return expectNear(name, expected, { ofLargest: statedTolerance(fixture, 1e-4) }, async () => {
      const { states } = await follow(fixture, execution);
      return stack(states.map(channelsFirst));
    });
  if (name === 'model_used_per_call')
    return expectNear(name, expected, {}, async () => {
      const { phases } = await follow(fixture, execution);
      const first = Math.min(...Array.from(expected.data as ArrayLike<number | bigint>, Number));
      return phases.flatMap((phase) => new Array<number>(callsPerStep).fill(phase + first));
    });
  return notUnderstood(name);
}

/** The states after each step and the phases that made them. */
async function follow(
  fixture: Fixture,
  execution: Execution,
): Promise<{ states: HostTensor[]; phases: number[] }> {
  const transport = { interpolant: 'linear', prediction: 'velocity' } as const;
  const lastStepSize = specNumber(fixture, 'last_step_size', 0.04);
  const diffusion = ours('diffusion', specText(fixture, 'diffusion_form', 'sigma'));
  const distance = specText(fixture, 'distance');
  if (diffusion === undefined || (distance !== 'mae' && distance !== 'mse'))
    throw new TypeError(`${fixture.path}: unknown diffusion form or distance in its spec`);
  const sampler: SdeSampler = {
    kind: 'sde',
    method: 'eulerMaruyama',
    diffusion,
    lastStep: 'mean',
    lastStepSize,
  };
  const init = programInput(fixture, 'init');
  const noise = programInput(fixture, 'noise');
  const used: number[] = [];
  const steps: PhaseStep[] = [];
  const lastSteps: PhaseStep[] = [];
  for (const [phase, factor] of factorsOf(fixture).entries()) {
    const model: VectorField = (x, t) => tf.mul(analyticModel(x, t), factor);
    const programs = sdeSampler(transportOf(transport), sampler, model);
    const step = await execution.prepare(programs.step);
    const last = await execution.prepare(programs.lastStep!);
    steps.push(async (x, at, rows) => {
      used.push(phase);
      return (await step({ ...stepInputs(x, at), noise: takeRows(slice(noise, at.index), rows) })).x;
    });
    lastSteps.push(async (x, at) => {
      used.push(phase);
      return (await last(stepInputs(x, at))).x;
    });
  }
  const phased = phasedSteps(
    init.shape[0]!,
    {
      distance,
      firstSteps: specNumber(fixture, 'first_steps'),
      switchRatios: ratiosOf(fixture),
    },
    steps,
  );
  const states: HostTensor[] = [];
  const interval = timeInterval(transport, specNumber(fixture, 'sample_eps', 0), sampler);
  await integrate({
    init,
    times: uniformTimes(interval, specNumber(fixture, 'num_steps')),
    step: phased.step,
    lastStep: { size: lastStepSize, step: phased.by(lastSteps) },
    onStep: (x) => void states.push(x),
  });
  return { states, phases: used };
}

/** `ratio1`, `ratio2`, … of the spec. */
function ratiosOf(fixture: Fixture): number[] {
  const ratios: number[] = [];
  for (let i = 1; `ratio${i}` in fixture.spec; i++) ratios.push(specNumber(fixture, `ratio${i}`));
  return ratios;
}

/** The factors of `c = 1, 0.9, 0.8` in the spec's words. */
function factorsOf(fixture: Fixture): number[] {
  const words = /\bc = ([\d.]+(?:, [\d.]+)*)/.exec(specText(fixture, 'what', ''));
  return words === null ? usualFactors : words[1]!.split(', ').map(Number);
}

function stack(tensors: readonly HostTensor[]): HostTensor {
  const data = tensors.flatMap((tensor) => Array.from(tensor.data));
  return float32([tensors.length, ...(tensors[0]?.shape ?? [])], Float32Array.from(data));
}
