import { gridOf } from '../../models/sit/config.js';
import type { ThroughBlocks } from '../../models/sit/sit.js';
import { float32, tf } from '../../tensorflow/index.js';
import type { HostTensor, HostTensors, ProgramSession, Tensor, Tensors } from '../../tensorflow/index.js';
import { type SdeSampler, transportOf, type VectorField } from '../../transport/index.js';
import type { BatchSizes } from '../batch-sizes.js';
import { CachedFeatures, type FeatureCache, predictedFeature, updatedDifferences } from '../feature-cache.js';
import { guides } from '../guidance.js';
import { putRows, stepInputs, type StepTime, takeRows } from '../integrate.js';
import { fixedStepMethods } from '../integrators/runge-kutta.js';
import { sdeSampler } from '../integrators/sde.js';
import { FieldProgram, type Network } from '../network.js';
import type { PhaseStep } from '../phases.js';
import { type GridMethod, odeField, type OdeSteps, rowsOfAll } from './path.js';

type EulerInputs = Record<'x' | 't' | 'dt', Tensor>;

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
    const given = inputs as unknown as EulerInputs & { noise: Tensor };
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
    x: fixedStepMethods.euler.step(odeField(model, field, output, inputs), inputs as unknown as EulerInputs)
      .x,
  }));
  return ({ perSample, init }) =>
    steps(init.shape[0]!, count - 1, (x, at, rows) =>
      Promise.resolve({ ...stepInputs(x, at), ...rowsOfAll(perSample, rows) }),
    ).map((step) => ({ step }));
}

type Inputs = Tensors & { readonly x: Tensor; readonly labels: Tensor };

/** A step that evaluates its field once, at its start. */
type OneEvaluationStep = (network: Network, field: VectorField, inputs: Inputs) => { x: Tensor };

/** A step's own inputs for some samples. */
type StepInputsOf = (
  x: HostTensor,
  at: StepTime,
  rows: readonly number[],
) => Promise<HostTensors & { labels: HostTensor }>;

/** Steps of which some have their features predicted: for one batch, the steps of each network. */
function cachedSteps(
  session: ProgramSession,
  networks: readonly Network[],
  cache: FeatureCache,
  sizes: BatchSizes,
  step: OneEvaluationStep,
): (samples: number, lastStep: number, inputsOf: StepInputsOf) => PhaseStep[] {
  const programs = networks.map((network) => ({
    computed: new FieldProgram(session, network, sizes, (_, inputs: Inputs, fieldThrough) => {
      const samples = inputs.x.shape[0];
      let feature: Tensor | undefined;
      const field = fieldThrough((h, blocks) => {
        const after = blocks(h);
        // It outlives the step's own tidying.
        feature = tf.keep(bySample(tf.sub(after, h), samples));
        return after;
      });
      const { x } = step(network, field, inputs);
      const differences = updatedDifferences(feature!, inputs.differences!, inputs.perGap!);
      feature!.dispose();
      return { x, differences };
    }),
    predicted: new FieldProgram(session, network, sizes, (_, inputs: Inputs, fieldThrough) => {
      const added = predictedFeature(inputs.differences!, inputs.factors!);
      const through: ThroughBlocks = (h) => tf.add(h, byBranch(added));
      return { x: step(network, fieldThrough(through), inputs).x };
    }),
  }));
  return (samples, lastStep, inputsOf) =>
    networks.map((network, phase) => {
      const features = new CachedFeatures(cache, samples, lastStep);
      const { computed, predicted } = programs[phase]!;
      const { config } = network.model;
      return async (x, at, rows) => {
        const guided = network.guidance !== undefined && guides(network.guidance, at.t, 0);
        features.begin([guided ? 2 : 1, gridOf(config) ** 2, config.hiddenSize], guided);
        const places = new Map(rows.map((row, place) => [row, place]));
        const next = new Float32Array(x.data.length);
        const parts = features.divide(rows, at.index);
        const take = async (members: readonly number[]) => {
          const own = members.map((row) => places.get(row)!);
          return { own, inputs: await inputsOf(takeRows(x, own), at, members) };
        };
        if (parts.computed.length > 0) {
          const { own, inputs } = await take(parts.computed);
          const before = features.before(parts.computed, at.index);
          const result = await computed.call({ ...inputs, ...before }, [at.t, at.t]);
          features.keep(parts.computed, at.index, result.differences);
          putRows(result.x, own, next);
        }
        if (parts.predicted.length > 0) {
          const { own, inputs } = await take(parts.predicted);
          const series = features.series(parts.predicted, at.index);
          putRows((await predicted.call({ ...inputs, ...series }, [at.t, at.t])).x, own, next);
        }
        return float32(x.shape, next);
      };
    });
}

/** Features of a guided call, whose conditional half comes first: `[branches · batch, …]` to `[batch, branches, …]`. */
function bySample(feature: Tensor, samples: number): Tensor {
  return tf.stack(tf.split(feature, feature.shape[0] / samples), 1);
}

/** The inverse of `bySample`. */
function byBranch(feature: Tensor): Tensor {
  return tf.concat(tf.unstack(feature, 1));
}
