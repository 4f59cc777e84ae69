export type { TorchCheckpoint, TorchValue } from './checkpoint.js';
export { openTorchCheckpoint } from './read.js';
export { TorchTensor } from './tensor.js';
export { TorchTensorSource, writeTorchCheckpoint, type TorchWritable } from './write.js';
