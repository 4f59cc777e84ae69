import type { HostTensor, HostTensors, ProgramSession, Tensor, Tensors } from '../../tensorflow/index.js';
import { stepFacts, transportOf, velocityField } from '../../transport/index.js';
import type { OneStepMethod, SdeSampler, VectorField } from '../../transport/index.js';
import type { BatchSizes } from '../batch-sizes.js';
import { integrate, stepInputs, takeRows } from '../integrate.js';
import { adamsBashforthStep, MultistepHistory } from '../integrators/multistep.js';
import { fixedStepMethods } from '../integrators/runge-kutta.js';
import { sdeSampler } from '../integrators/sde.js';
import { likelihoodField } from '../likelihood.js';
import { FieldProgram, type Network, type SessionModel } from '../network.js';
import { phasedSteps, type PhaseOptions, type PhaseStep, type PhaseSwitch } from '../phases.js';

/** Samples that are followed together from the first time of a path to its last. */
export interface PathInputs {
  /** States at the start, `[batch, …]`. */
  readonly init: HostTensor;
  /** Inputs of a path for each sample beside its state, samples first: int32 `labels` and what else its field wants. */
  readonly perSample: Readonly<Record<string, HostTensor>> & { readonly labels: HostTensor };
  /** Standard normal numbers for a step, shaped as the states. Needed by SDEs. */
  readonly noise?: (step: number) => Promise<HostTensor>;
  /** Callback after each step with the share of the path that is done. */
  readonly onProgress?: (share: number) => void;
  /**
   * Callback with the states after each step of the grid, counted from 1, the switches so far, and the step's length. A
   * method that chooses its own steps calls it for all points of the grid at the end.
   */
  readonly onState?: (x: HostTensor, step: number, switches: readonly PhaseSwitch[], dt?: number) => void;
  readonly signal?: AbortSignal;
}

export interface PathResult {
  /** States at the end. */
  readonly x: HostTensor;
  /** Steps that each sample took. */
  readonly steps: readonly number[];
  /** Switches of samples from one model to another. */
  readonly switches: readonly PhaseSwitch[];
}

/** Follows a path. */
export type FollowPath = (inputs: PathInputs) => Promise<PathResult>;

/** The steps of one model along a batch's path. */
interface GridSteps {
  readonly step: PhaseStep;
  readonly lastStep?: PhaseStep;
}

/** A method of given steps: for one batch, the steps of each phase's model. */
export type GridMethod = (inputs: PathInputs) => readonly GridSteps[];

interface Grid {
  /** Ascending or descending. */
  readonly times: readonly number[];
  /** Time that the last step covers, where the method has one. */
  readonly lastStepSize: number;
}

/** Steps from one time of a grid to the next, each sample by the model of its phase. */
export function gridPath(
  { times, lastStepSize }: Grid,
  phases: PhaseOptions,
  method: GridMethod,
): FollowPath {
  return async (inputs) => {
    const { init, onProgress, onState, signal } = inputs;
    const models = method(inputs);
    const phased = phasedSteps(
      init.shape[0]!,
      phases,
      models.map(({ step }) => step),
    );
    const lastSteps = models.flatMap(({ lastStep }) => (lastStep === undefined ? [] : [lastStep]));
    const hasLastStep = lastSteps.length > 0;
    const total = times.length - 1 + (hasLastStep ? 1 : 0);
    let done = 0;
    const x = await integrate({
      init,
      times,
      step: phased.step,
      ...(hasLastStep && { lastStep: { size: lastStepSize, step: phased.by(lastSteps) } }),
      onStep: (states, { dt }) => {
        done++;
        onState?.(states, done, phased.switches, dt);
        onProgress?.(done / total);
      },
      ...(signal && { signal }),
    });
    return { x, steps: new Array<number>(x.shape[0]!).fill(total), switches: phased.switches };
  };
}

/** The named samples of each tensor. */
export function rowsOfAll<T extends HostTensors>(
  tensors: T,
  rows: readonly number[],
): { readonly [Name in keyof T]: HostTensor } {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, takeRows(tensor, rows)]),
  ) as { readonly [Name in keyof T]: HostTensor };
}

/** Field that an ODE follows, made of a model's velocity and what a path takes of samples. */
export type OdeField = (velocity: VectorField, perSample: Tensors) => VectorField;

/** States are samples. */
export const sampleField: OdeField = (velocity) => velocity;

/** States are those of `likelihoodState`; the path takes a `probe` of each sample. */
export const densityField: OdeField = (velocity, { probe }) => likelihoodField(velocity, probe!);

/** The field for what a model puts out. */
export function odeField(
  { transport }: SessionModel,
  toField: OdeField,
  output: VectorField,
  perSample: Tensors,
): VectorField {
  return toField(velocityField(transportOf(transport), output), perSample);
}

/** Names of what a step takes beside samples: the rest of its inputs is of the samples. */
export type OdeInputs = Record<'x' | 't' | 'dt' | 'labels', Tensor>;

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
