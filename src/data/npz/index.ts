export type { NpyArray, NpyDtype } from './npy.js';
export { NpzFile, writeNpz, type NpyArraySource } from './npz.js';
