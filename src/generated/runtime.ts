// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Device, precision and processes of the computation. Only `precision` is part of what identifies an output; other keys may change how results round.
 */
export interface RuntimeConfig {
  /**
   * Device to compute on. `auto` uses a GPU if there is one, and warns if there is a driver but no usable GPU. `gpu` fails without a GPU. `cpu` hides GPUs.
   */
  device: 'auto' | 'cpu' | 'gpu';
  /**
   * Number format of matrix products and convolutions. Weights are always float32. `bfloat16` suits GPUs since compute capability 8.0 (A100, RTX 30) and processors with AVX-512; others compute in float32 instead. `float16` suits older GPUs; training then scales its loss.
   */
  precision: 'float32' | 'bfloat16' | 'float16';
  /**
   * Lets GPUs round the factors of float32 products to TF32, which is faster. The reference does so.
   */
  tf32: boolean;
  /**
   * Lets GPUs run only kernels that give the same bits in every run on the same GPU. Kernels are then not timed against each other, and some are slower ones: expect convolutions to lose most. Changes nothing on processors.
   */
  deterministic: boolean;
  /**
   * Lets XLA compile each program as a whole. By default, on GPUs: a program then starts a few kernels instead of thousands. The first run compiles for a minute or so, later ones find what was compiled. On processors it takes long and gains nothing.
   */
  xla?: boolean;
  /**
   * Data-parallel worker processes. A training divides its batch between them, other stages their images. Unit: processes.
   */
  workers: number;
  /**
   * Restarts of a stage, from what it saved, after one of its workers died or hung. Unit: times.
   */
  retries: number;
  /**
   * Computing threads of each worker; 0 means one per core. Unit: threads.
   */
  threads: number;
}
