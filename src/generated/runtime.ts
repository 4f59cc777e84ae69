// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Where and how to compute. Only `precision` can change results.
 */
export interface RuntimeConfig {
  /**
   * Device to compute on. `auto` takes the GPU where there is one, and warns where there is a driver but no GPU can be used; `gpu` refuses to run without one; `cpu` hides it.
   */
  device: 'auto' | 'cpu' | 'gpu';
  /**
   * Number format of matrix products and convolutions; weights are always kept in float32. `bfloat16` is for GPUs since compute capability 8.0 (A100, RTX 30) and processors with AVX-512, others compute in float32; `float16` is for older GPUs: training then scales its loss.
   */
  precision: 'float32' | 'bfloat16' | 'float16';
  /**
   * Whether a GPU may round the factors of float32 products to TF32, which is faster; the reference does so.
   */
  tf32: boolean;
  /**
   * Whether XLA compiles clusters of operations. On a CPU it takes long and gains nothing.
   */
  xla: boolean;
  /**
   * Data-parallel worker processes; the global batch is divided between them. Unit: processes.
   */
  workers: number;
  /**
   * How often a stage starts again, from what was saved, after one of its workers died or hung. Unit: times.
   */
  retries: number;
  /**
   * Computing threads of each worker; 0 takes one for each core. Unit: threads.
   */
  threads: number;
}
