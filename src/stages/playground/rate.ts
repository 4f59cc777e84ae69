import type { PlaygroundConfig } from '../../generated/index.js';
import { numbersIn } from '../../nn/parameter.js';
import type { StageRate, StageTiming } from '../../runner/stage.js';
import { plannedModels } from '../sample/facts.js';
import { samplePlan } from '../sample/plan.js';
import type { Resolve } from '../shared/planned.js';
import { measureWork } from '../shared/rate.js';
import { asSample } from './as-sample.js';
import { parametersOf } from './description.js';
import { programFiles } from './shell.js';
import { packWeights, unpackWeights } from './weight-types.js';
import { compressed } from './write.js';

/** Numbers that are packed to measure it. */
const measuredNumbers = 2 ** 18;

/** Work of writing a page in numbers of weights, which take as long for the same type. */
export async function playgroundTiming(
  config: PlaygroundConfig,
  resolve: Resolve,
): Promise<StageTiming | undefined> {
  const models = await plannedModels(samplePlan(asSample(config)), resolve);
  if (models === undefined) return undefined;
  const configs = [...models.phases, ...(models.base ? [models.base] : [])].map((each) => ({ config: each }));
  const parameters = parametersOf({ phases: configs, autoencoder: models.autoencoder });
  const amount = numbersIn([...parameters.models.flat(), ...parameters.decoder]);
  return { amount, like: { weightType: config.weightType } };
}

/** Measures how fast weights are packed and compressed, on numbers that are made up. */
export async function measurePlayground({ weightType }: PlaygroundConfig): Promise<StageRate> {
  const start = performance.now();
  await programFiles();
  const values = Float32Array.from({ length: measuredNumbers }, (_, i) => Math.sin(i * i + 1));
  const call = () => {
    const packed = packWeights(values, weightType);
    unpackWeights(packed, weightType).every(Number.isFinite);
    return compressed(packed);
  };
  return measureWork(start, { call, units: measuredNumbers });
}
