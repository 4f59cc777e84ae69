import type { TorchValue } from '../pytorch/index.js';
import type { StateDict } from './state-dict.js';

/** An open file of weights. Close it after its tensors have been read. */
export interface WeightsFile {
  readonly path: string;
  /** The weights, their moving average, or both. A file that does not say which it holds has `model`. */
  readonly parts: { readonly model?: StateDict; readonly ema?: StateDict };
  /** What stands beside them: the options of the training, counters. */
  readonly facts: Readonly<Record<string, TorchValue>>;
  close(): Promise<void>;
}
