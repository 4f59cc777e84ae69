import type { ProgramSession, Tensor } from '../../tensorflow/index.js';
import type { OdeMethod } from '../../transport/index.js';
import type { BatchSizes } from '../batch-sizes.js';
import { FieldProgram } from '../field-program.js';
import type { Network } from '../network.js';
import { MultistepHistory, adamsBashforthStep, fixedStepMethods } from '../ode/index.js';
import { stepInputs } from '../times.js';
import type { GridMethod } from './grid.js';
import { type OdeField, type OdeInputs, odeField } from './ode-field.js';
import { rowsOfAll } from './rows-of-all.js';

type OneStepMethod = Exclude<OdeMethod, 'dopri5' | 'adamsBashforth'>;

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
  return method === 'euler' ? [t, t] : [t, t + dt];
}

function rungeKuttaProgram({ session, field, sizes }: OdeSteps, network: Network, method: OneStepMethod) {
  return new FieldProgram(session, network, sizes, (output, inputs: OdeInputs) =>
    fixedStepMethods[method].step(odeField(network.model, field, output, inputs), inputs),
  );
}

/** A Runge–Kutta method whose order is `order` - 1 or more, to start a multistep method with. */
const starters: readonly OneStepMethod[] = ['euler', 'euler', 'euler', 'heun2', 'heun3'];

/** Steps of an Adams–Bashforth method, which look back on the field at earlier steps. */
export function multistepSteps(steps: OdeSteps, order: number, times: readonly number[]): GridMethod {
  const { session, networks, field, sizes } = steps;
  const method = starters[order]!;
  const programs = networks.map((network) => ({
    start: rungeKuttaProgram(steps, network, method),
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
          start.call({ ...inputs, ...rowsOfAll(perSample, rows) }, spanOf(method, at)),
        step: (inputs, at, rows) => step.call({ ...inputs, ...rowsOfAll(perSample, rows) }, [at.t, at.t]),
      }),
    }));
  };
}
