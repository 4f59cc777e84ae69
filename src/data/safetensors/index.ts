export type { SafetensorsDtype, TensorData, TensorInfo } from './dtypes.js';
export { openSafetensors, SafetensorsFile } from './reader.js';
export { isSafetensorsPath, openTensors, tensorsPath, type TensorReader, writeShards } from './shards.js';
export { toFloat32 } from './to-float32.js';
export { writeSafetensors, type TensorSource } from './writer.js';
