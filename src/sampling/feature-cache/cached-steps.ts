import { gridOf } from '../../models/sit/config.js';
import type { ThroughBlocks } from '../../models/sit/sit.js';
import {
  type HostTensor,
  type HostTensors,
  type ProgramSession,
  type Tensor,
  type Tensors,
  float32,
  tf,
} from '../../tensorflow/index.js';
import type { VectorField } from '../../transport/index.js';
import type { BatchSizes } from '../batch-sizes.js';
import { FieldProgram } from '../field-program.js';
import { guides } from '../guidance.js';
import type { Network } from '../network.js';
import type { PhaseStep } from '../phased-steps.js';
import { putRows, takeRows } from '../rows.js';
import type { StepTime } from '../times.js';
import { CachedFeatures } from './cached-path.js';
import { type FeatureCache, predictedFeature, updatedDifferences } from './taylor.js';

type Inputs = Tensors & { readonly x: Tensor; readonly labels: Tensor };

/** A step that evaluates its field once, at its start. */
export type OneEvaluationStep = (network: Network, field: VectorField, inputs: Inputs) => { x: Tensor };

/** A step's own inputs for some samples. */
export type StepInputsOf = (
  x: HostTensor,
  at: StepTime,
  rows: readonly number[],
) => Promise<HostTensors & { labels: HostTensor }>;

/** Steps of which some have their features predicted: for one batch, the steps of each network. */
export function cachedSteps(
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
