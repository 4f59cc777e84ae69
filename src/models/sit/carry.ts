import { UserError } from '../../errors.js';
import { type Matrix, alignedInterpolation } from '../../nn/resampling.js';
import { type HostTensor, type HostTensors, float32, floats, sizeOf } from '../../tensorflow/index.js';
import { type SiTConfig, gridOf } from './config.js';
import { sitParameters } from './parameters.js';

/**
 * Carries weights, or their moving average, to a model for another latent size: tables of rows and columns are
 * resized linearly along the grid, end points kept; all else stays. The position embedding is no parameter: it is
 * computed for the new grid.
 *
 * @returns weights of `to`; tensors that do not change are shared, not copied
 * @throws UserError `weights-not-carried` naming every other size in which the models differ.
 * Source: the reference's train_256to512.py
 */
export function carryWeights(weights: HostTensors, from: SiTConfig, to: SiTConfig): HostTensors {
  checkCarried(from, to);
  return Object.fromEntries(
    sitParameters(to).map(({ name }) => [name, carryTensor(name, weights[name]!, gridOf(from), gridOf(to))]),
  );
}

/** Carries one tensor of that name from one grid to another. */
export function carryTensor(name: string, value: HostTensor, from: number, to: number): HostTensor {
  const axis = gridAxis(name);
  return axis === undefined || from === to ? value : resize(value, axis, alignedInterpolation(from, to));
}

/** @throws UserError where models differ in more than the latent size. */
export function checkCarried(from: SiTConfig, to: SiTConfig): void {
  const keys = ['channels', 'patchSize', 'hiddenSize', 'depth', 'heads', 'classes', 'mediators'] as const;
  const nulls = ({ labelDropout }: SiTConfig) => (labelDropout > 0 ? 'a null class' : 'no null class');
  const differences = keys
    .filter((key) => String(from[key]) !== String(to[key]))
    .map((key) => `${key} is ${String(from[key])} there and ${String(to[key])} here`);
  const norms = ({ qkNorm = false }: SiTConfig) => `qkNorm is ${String(qkNorm)}`;
  if (norms(from) !== norms(to))
    differences.push(`${norms(from)} there and ${String(to.qkNorm ?? false)} here`);
  if (nulls(from) !== nulls(to)) differences.push(`there is ${nulls(from)} there and ${nulls(to)} here`);
  if (differences.length === 0) return;
  throw new UserError({
    code: 'weights-not-carried',
    message: `Weights cannot be carried from one model to the other: ${differences.join('; ')}.`,
    remedy: 'Models between which weights are carried may differ in the size of their latents only.',
  });
}

/** The axis of a tensor that has a number for each row or column of the grid. */
function gridAxis(name: string): number | undefined {
  if (/\.mediatorBias\.(row|column)$/.test(name)) return 2;
  if (/\.queryBias\.(row|column)$/.test(name)) return 1;
  return undefined;
}

function resize(value: HostTensor, axis: number, { rows, columns, data }: Matrix): HostTensor {
  const source = floats(value);
  const outer = sizeOf(value.shape.slice(0, axis));
  const inner = sizeOf(value.shape.slice(axis + 1));
  const result = new Float32Array(outer * rows * inner);
  for (let o = 0; o < outer; o++)
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < inner; i++) {
        let sum = 0;
        for (let column = 0; column < columns; column++)
          sum += data[row * columns + column]! * source[(o * columns + column) * inner + i]!;
        result[(o * rows + row) * inner + i] = sum;
      }
  return float32([...value.shape.slice(0, axis), rows, ...value.shape.slice(axis + 1)], result);
}
