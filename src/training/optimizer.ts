import type { Parameter } from '../nn/parameter.js';
import type { Tensors } from '../tensorflow/index.js';
import { type AdamWConfig, type AdamWRates, type AdamWState, adamwStep, averagesAfter } from './adamw.js';
import type { AverageDecay } from './averages.js';
import { type MuonConfig, muonStep } from './muon.js';

/** AdamW for all parameters, or Muon for matrices of hidden layers and AdamW for the others. */
export interface OptimizerConfig extends AdamWConfig {
  readonly muon?: MuonConfig | undefined;
}

/** True of a parameter that Muon trains. */
export const isOfMuon = ({ muon }: OptimizerConfig, { hiddenMatrices }: Parameter): boolean =>
  muon !== undefined && hiddenMatrices !== undefined;

/** Matrices side by side in each of the parameters that Muon trains, by the keys that are given with parameters. */
export const matricesOfMuon = (
  config: OptimizerConfig,
  parameters: Iterable<readonly [key: string | number, Parameter]>,
): Record<string, number> =>
  Object.fromEntries(
    [...parameters]
      .filter(([, parameter]) => isOfMuon(config, parameter))
      .map(([key, { hiddenMatrices }]) => [key, hiddenMatrices!]),
  );

/**
 * One update of the weights and of their moving averages as a function of tensors.
 *
 * @param counts `matricesOfMuon` by the keys of the state
 * @returns the new state; the old one stays the caller's
 */
export function optimizerStep(
  config: OptimizerConfig,
  counts: Readonly<Record<string, number>>,
  averageDecays: readonly AverageDecay[],
  state: AdamWState,
  gradients: Tensors,
  rates: AdamWRates,
): AdamWState {
  const { muon } = config;
  const [ofMuon, others] = [true, false].map((isMuon) =>
    Object.fromEntries(Object.entries(gradients).filter(([name]) => name in counts === isMuon)),
  ) as [Tensors, Tensors];
  const next = adamwStep(config, averageDecays, state, others, rates);
  if (muon === undefined || Object.keys(ofMuon).length === 0) return next;
  const { weights, firstMoment } = muonStep(muon, counts, state, ofMuon, rates.learningRate);
  const averages = Object.entries(weights).map(
    ([name, value]) =>
      [name, averagesAfter(averageDecays, state.averages, name, value, rates.shares)] as const,
  );
  return {
    weights: { ...next.weights, ...weights },
    firstMoment: { ...next.firstMoment, ...firstMoment },
    secondMoment: next.secondMoment,
    averages: next.averages.map((group, i) => ({
      ...group,
      ...Object.fromEntries(
        averages.flatMap(([name, values]) => (values[i] === undefined ? [] : [[name, values[i]]])),
      ),
    })),
  };
}
