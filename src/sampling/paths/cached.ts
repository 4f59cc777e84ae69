import type { ProgramSession, Tensor } from '../../tensorflow/index.js';
import { type SdeSampler, transportOf } from '../../transport/index.js';
import type { BatchSizes } from '../batch-sizes.js';
import { cachedSteps } from '../feature-cache/cached-steps.js';
import type { FeatureCache } from '../feature-cache/taylor.js';
import type { Network } from '../network.js';
import { fixedStepMethods } from '../ode/index.js';
import { takeRows } from '../rows.js';
import { sdeSampler } from '../sde/index.js';
import { stepInputs } from '../times.js';
import type { GridMethod } from './grid.js';
import { odeField } from './ode-field.js';
import type { OdeSteps } from './ode-steps.js';
import { rowsOfAll } from './rows-of-all.js';

type Inputs = Record<'x' | 't' | 'dt', Tensor>;

/** Euler–Maruyama steps with predicted features; the last step is that of `plain`. */
export function cachedSdeSteps(
  session: ProgramSession,
  networks: readonly Network[],
  sampler: SdeSampler & { readonly diffusionNorm: number },
  cache: FeatureCache,
  sizes: BatchSizes,
  plain: GridMethod,
): GridMethod {
  const steps = cachedSteps(session, networks, cache, sizes, ({ model }, field, inputs) => {
    const given = inputs as unknown as Inputs & { noise: Tensor };
    return { x: sdeSampler(transportOf(model.transport), sampler, field).step(given).x };
  });
  return (path) => {
    const { perSample, noise, init } = path;
    // The grid's last step is not the path's last: that one has its own, which is computed.
    const cached = steps(init.shape[0]!, Infinity, async (x, at, rows) => ({
      ...stepInputs(x, at),
      ...rowsOfAll({ labels: perSample.labels }, rows),
      noise: takeRows(await noise!(at.index), rows),
    }));
    return plain(path).map((own, phase) => ({ ...own, step: cached[phase]! }));
  };
}

/** Euler steps with predicted features; the last of them is computed. */
export function cachedEulerSteps(ode: OdeSteps, cache: FeatureCache, count: number): GridMethod {
  const { session, networks, sizes, field } = ode;
  const steps = cachedSteps(session, networks, cache, sizes, ({ model }, output, inputs) => ({
    x: fixedStepMethods.euler.step(odeField(model, field, output, inputs), inputs as unknown as Inputs).x,
  }));
  return ({ perSample, init }) =>
    steps(init.shape[0]!, count - 1, (x, at, rows) =>
      Promise.resolve({ ...stepInputs(x, at), ...rowsOfAll(perSample, rows) }),
    ).map((step) => ({ step }));
}
