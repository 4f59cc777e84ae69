import { isSafetensorsPath } from '../safetensors/index.js';
import { openPytorchWeights } from './from-pytorch.js';
import { openSafetensorsWeights } from './from-safetensors.js';
import type { WeightsFile } from './weights-file.js';

export { entriesOf } from './from-pytorch.js';
export type { StateDict, StoredTensor } from './state-dict.js';
export type { WeightsFile } from './weights-file.js';

/**
 * Opens a file of weights: safetensors, or the index of several, by its name, anything else as PyTorch's. Only its structure is read, nothing
 * in it is executed, and its size does not matter.
 *
 * @throws UserError saying what is wrong with the file.
 */
export function openWeightsFile(path: string): Promise<WeightsFile> {
  return isSafetensorsPath(path) ? openSafetensorsWeights(path) : openPytorchWeights(path);
}
