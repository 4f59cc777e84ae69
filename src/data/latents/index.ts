export { LatentDataset, type LatentBatch, type LatentDatasetOptions } from './dataset.js';
export type { LatentFormat, LatentIndex, LatentStatistics } from './format.js';
export type { LatentSample, Posterior } from './shard-buffer.js';
export { LatentWriter } from './writer.js';
