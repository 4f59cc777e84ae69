import type { HostTensor, HostTensors } from '../../tensorflow/index.js';
import { takeRows } from '../rows.js';

/** The named samples of each tensor. */
export function rowsOfAll<T extends HostTensors>(
  tensors: T,
  rows: readonly number[],
): { readonly [Name in keyof T]: HostTensor } {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, takeRows(tensor, rows)]),
  ) as { readonly [Name in keyof T]: HostTensor };
}
