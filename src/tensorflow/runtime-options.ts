import { computesBfloat16 } from './bfloat16.js';
import { encodeMessage } from './protobuf.js';

/** How sessions and eager operations run. */
export interface RuntimeOptions {
  /**
   * `bfloat16` lets TensorFlow compute matrix products and their neighbours in it; weights stay float32. A processor
   * that cannot computes in float32 instead, which is several times faster there.
   */
  readonly precision?: 'float32' | 'bfloat16';
  /** `cpu` hides GPUs; `auto` uses what is there. */
  readonly device?: 'auto' | 'cpu' | 'gpu';
  /** Threads for one operation; 0 means one a core. */
  readonly threads?: number;
}

/** RewriterConfig.Toggle.ON */
const on = 1;

/** The serialized `ConfigProto` for `options`. */
export function configProto(options: RuntimeOptions, bfloat16 = computesBfloat16()): Uint8Array {
  return encodeMessage('ConfigProto', configMessage(options, bfloat16));
}

/** The fields of the `ConfigProto` for `options`. */
export function configMessage(
  { precision = 'float32', device = 'auto', threads = 0 }: RuntimeOptions,
  bfloat16 = computesBfloat16(),
): Readonly<Record<string, unknown>> {
  const half = precision === 'bfloat16' && bfloat16;
  return {
    intraOpParallelismThreads: threads,
    allowSoftPlacement: true,
    gpuOptions: { allowGrowth: true },
    ...(device === 'cpu' ? { deviceCount: [{ key: 'GPU', value: 0 }] } : {}),
    ...(half ? { graphOptions: { rewriteOptions: { autoMixedPrecisionOnednnBfloat16: on } } } : {}),
  };
}
