import {
  type Guidance,
  type PredictedSteps,
  type SamplerSettings,
  predictedSteps,
  stepCosts,
  stepEvaluations,
} from '../../sampling/index.js';
import type { FoundModels } from './models.js';

/** What the steps of a sample's path cost in each phase, and which of them are predicted. */
export interface PathCosts {
  readonly costs: readonly (readonly number[])[];
  readonly predicted: PredictedSteps | undefined;
}

/** @param adaptiveSteps how many a method that chooses its own took */
export function pathCosts(
  { phases, base }: FoundModels,
  settings: SamplerSettings,
  guidance: Guidance | undefined,
  adaptiveSteps?: number,
): PathCosts {
  const evaluations = stepEvaluations(phases[0]!.saved, settings, guidance, adaptiveSteps);
  const networks = phases.map(({ saved }) => ({ model: saved, ...(base && { base: base.saved }) }));
  return {
    costs: networks.map((network) => stepCosts(network, evaluations)),
    predicted: predictedSteps(networks, settings, evaluations),
  };
}
