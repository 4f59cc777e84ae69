export type { SafetensorsDtype, TensorData, TensorInfo } from './dtypes.js';
export { openSafetensors, SafetensorsFile } from './reader.js';
export { writeSafetensors, type TensorSource } from './writer.js';
