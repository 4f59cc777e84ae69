import type { Parameter } from '../nn/parameter.js';

// Planning counts what Muon costs, and loads no tensors for it.

/** Steps of the iteration that Muon's updates go through. */
export const muonIterations = 5;

/** Cost of training by Muon what of these parameters it trains. */
export interface MuonCost {
  /** Numbers that have no second moment. */
  readonly parameters: number;
  /** Multiply-accumulates of a step's updates, whatever the batch. Each worker computes them all. */
  readonly multiplyAccumulates: number;
}

/** Counts what `muonStep` computes. */
export function muonCost(parameters: readonly Parameter[]): MuonCost {
  const matrices = parameters.flatMap(({ hiddenMatrices = 0, shape: [inputs, outputs] }) =>
    Array.from({ length: hiddenMatrices }, () => [inputs!, outputs! / hiddenMatrices] as const),
  );
  const sum = (of: (inputs: number, outputs: number) => number) =>
    matrices.reduce((total, sides) => total + of(...sides), 0);
  return {
    parameters: sum((inputs, outputs) => inputs * outputs),
    multiplyAccumulates: sum((inputs, outputs) => {
      const [rows, columns] = [Math.min(inputs, outputs), Math.max(inputs, outputs)];
      return muonIterations * (2 * rows * rows * columns + rows ** 3);
    }),
  };
}
