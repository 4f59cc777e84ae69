import type { ProgramSession, Tensor } from '../../tensorflow/index.js';
import { type OneStepMethod, type SdeSampler, stepFacts, transportOf } from '../../transport/index.js';
import type { BatchSizes } from '../batch-sizes.js';
import { FieldProgram } from '../field-program.js';
import { stepInputs } from '../integrate.js';
import { adamsBashforthStep, MultistepHistory } from '../integrators/multistep.js';
import { fixedStepMethods } from '../integrators/runge-kutta.js';
import { sdeSampler } from '../integrators/sde.js';
import type { Network } from '../network.js';
import { takeRows } from '../rows.js';
import { type GridMethod, type OdeField, odeField, type OdeInputs, rowsOfAll } from './path.js';

export interface OdeSteps {
  readonly session: ProgramSession;
  readonly networks: readonly Network[];
  readonly field: OdeField;
  readonly sizes: BatchSizes;
}

/** Steps of a Runge–Kutta method. */
export function rungeKuttaSteps(steps: OdeSteps, method: OneStepMethod): GridMethod {
  const programs = steps.networks.map((network) => rungeKuttaProgram(steps, network, method));
  return ({ perSample }) =>
    programs.map((program) => ({
      step: async (x, at, rows) =>
        (await program.call({ ...stepInputs(x, at), ...rowsOfAll(perSample, rows) }, spanOf(method, at))).x,
    }));
}

/** The times at which a method's stages are. */
function spanOf(method: OneStepMethod, { t, dt }: { t: number; dt: number }): readonly [number, number] {
  return stepFacts({ kind: 'ode', method }).leavesStart ? [t, t + dt] : [t, t];
}

function rungeKuttaProgram({ session, field, sizes }: OdeSteps, network: Network, method: OneStepMethod) {
  return new FieldProgram(session, network, sizes, (output, inputs: OdeInputs) =>
    fixedStepMethods[method].step(odeField(network.model, field, output, inputs), inputs),
  );
}

/**
 * Steps of an Adams–Bashforth method, which look back on the field at earlier steps.
 *
 * @param starter the method of the first steps
 */
export function multistepSteps(
  steps: OdeSteps,
  starter: OneStepMethod,
  order: number,
  times: readonly number[],
): GridMethod {
  const { session, networks, field, sizes } = steps;
  const programs = networks.map((network) => ({
    start: rungeKuttaProgram(steps, network, starter),
    step: new FieldProgram(
      session,
      network,
      sizes,
      (output, inputs: Record<'x' | 't' | 'history' | 'weights' | 'labels', Tensor>) =>
        adamsBashforthStep(odeField(network.model, field, output, inputs), inputs),
    ),
  }));
  return ({ init, perSample }) => {
    const history = new MultistepHistory(init, times, order);
    return programs.map(({ start, step }) => ({
      step: history.by({
        start: (inputs, at, rows) =>
          start.call({ ...inputs, ...rowsOfAll(perSample, rows) }, spanOf(starter, at)),
        step: (inputs, at, rows) => step.call({ ...inputs, ...rowsOfAll(perSample, rows) }, [at.t, at.t]),
      }),
    }));
  };
}

type StepInputs = Record<'x' | 't' | 'dt' | 'labels', Tensor>;

/** Steps of an SDE. */
export function sdeSteps(
  session: ProgramSession,
  networks: readonly Network[],
  sampler: SdeSampler & { readonly diffusionNorm: number },
  sizes: BatchSizes,
): GridMethod {
  const programs = networks.map((network) => {
    const transport = transportOf(network.model.transport);
    return {
      step: new FieldProgram(session, network, sizes, (field, inputs: StepInputs & { noise: Tensor }) => ({
        x: sdeSampler(transport, sampler, field).step(inputs).x,
      })),
      last: new FieldProgram(session, network, sizes, (field, inputs: StepInputs) =>
        sdeSampler(transport, sampler, field).lastStep!(inputs),
      ),
    };
  });
  const evaluationsEnd = stepFacts(sampler).reachesEnd ? 1 : 0;
  return ({ perSample: { labels }, noise }) =>
    programs.map(({ step, last }) => ({
      step: async (x, at, rows) => {
        const inputs = { ...stepInputs(x, at), ...rowsOfAll({ labels }, rows) };
        const drawn = takeRows(await noise!(at.index), rows);
        return (await step.call({ ...inputs, noise: drawn }, [at.t, at.t + evaluationsEnd * at.dt])).x;
      },
      ...(sampler.lastStep !== 'none' && {
        lastStep: async (x, at, rows) =>
          (await last.call({ ...stepInputs(x, at), ...rowsOfAll({ labels }, rows) }, [at.t, at.t])).x,
      }),
    }));
}
