import { hasAvx512 } from './library/processor.js';
import { encodeMessage } from './protobuf.js';

/** How sessions and eager operations run. */
export interface RuntimeOptions {
  /**
   * `bfloat16` is for matrix products and what moves their results; weights stay float32. A processor
   * that cannot computes in float32 instead, which is several times faster there.
   * `float16` is for GPUs without bfloat16: training scales its loss.
   */
  readonly precision?: 'float32' | 'bfloat16' | 'float16';
  /** `cpu` hides GPUs; `auto` uses what is there. */
  readonly device?: 'auto' | 'cpu' | 'gpu';
  /** Threads for one operation; 0 means one a core. */
  readonly threads?: number;
  /** Whether GPUs may round the factors of float32 products to TF32; they may by default. For the whole process. */
  readonly tf32?: boolean;
  /** Whether XLA compiles clusters of operations; off by default. */
  readonly xla?: boolean;
  /** Whether XLA compiles what programs mark as fused; by default on CPUs, where tensors are large. */
  readonly fusion?: boolean;
  /**
   * Whether TensorFlow rewrites graphs before it runs them; on by default. Without it programs are ready in half the
   * time and as fast, where they have no dense convolutions or constants to fold; in bfloat16 they are faster, as
   * traces then write it. float16, XLA and GPUs need rewriting, and have it in any case.
   */
  readonly rewriting?: boolean;
}

/** Who sees to it that a session's programs run as its options ask. */
export interface Preparation {
  /** TensorFlow rewrites graphs. Else what runs is placed by itself, and not the whole graph again at each trace. */
  readonly rewritten: boolean;
  /** Traces write products in bfloat16. Else it is for rewriting to do. */
  readonly mixed: boolean;
}

/** RewriterConfig.Toggle.ON */
const on = 1;
/** RewriterConfig.NumIterationsType.ONE: a second round over our graphs changes nothing, and takes a second or more. */
const oneRound = 1;
/** RewriterConfig.MemOptType.NO_MEM_OPT: what it changes in our graphs saves no memory, and takes half a second. */
const noMemoryOptimization = 1;
/** OptimizerOptions.GlobalJitLevel.ON_1 */
const jitOn = 1;

/**
 * How a session's graphs are prepared.
 *
 * @param processorOnly whether no GPU will be used
 * @param workers whether graphs run over several processes, which always place and rewrite the whole
 */
export function preparationOf(
  { precision = 'float32', xla = false, rewriting = true }: RuntimeOptions,
  { processorOnly, workers }: { readonly processorOnly: boolean; readonly workers: boolean },
  bfloat16 = hasAvx512(),
): Preparation {
  const bySelf = !rewriting && !xla && precision !== 'float16' && processorOnly;
  return { rewritten: workers || !bySelf, mixed: bySelf && precision === 'bfloat16' && bfloat16 };
}

/** The serialized `ConfigProto` for `options`. */
export function configProto(...args: Parameters<typeof configMessage>): Uint8Array {
  return encodeMessage('ConfigProto', configMessage(...args));
}

/** The fields of the `ConfigProto` for `options`. */
export function configMessage(
  { precision = 'float32', device = 'auto', threads = 0, xla = false }: RuntimeOptions,
  { rewritten, mixed }: Preparation = { rewritten: true, mixed: false },
  bfloat16 = hasAvx512(),
): Readonly<Record<string, unknown>> {
  const rewriteOptions = {
    metaOptimizerIterations: oneRound,
    memoryOptimization: noMemoryOptimization,
    // It makes nothing faster, and writes attributes into calls of functions that other processes then complain of.
    disableTfgOptimizer: true,
    ...(precision === 'bfloat16' && bfloat16 && !mixed && { autoMixedPrecisionOnednnBfloat16: on }),
    ...(precision === 'float16' && { autoMixedPrecision: on }),
  };
  const graphOptions = {
    ...(xla && { optimizerOptions: { globalJitLevel: jitOn, cpuGlobalJit: true } }),
    // TensorFlow rewrites no graph that it has placed without the rest.
    ...(!rewritten && { placePrunedGraph: true }),
    rewriteOptions,
  };
  return {
    intraOpParallelismThreads: threads,
    allowSoftPlacement: true,
    gpuOptions: { allowGrowth: true },
    ...(device === 'cpu' ? { deviceCount: [{ key: 'GPU', value: 0 }] } : {}),
    graphOptions,
  };
}
