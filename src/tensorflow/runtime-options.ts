import { UserError } from '../base/errors.js';

/** Options of sessions and eager operations. */
export interface RuntimeOptions {
  /**
   * `bfloat16` is for matrix products and what moves their results; weights stay float32. Processors without AVX-512
   * and GPUs before compute capability 8.0 compute in float32 instead, which is several times faster there.
   * `float16` is for such GPUs: training scales its loss.
   */
  readonly precision?: 'float32' | 'bfloat16' | 'float16';
  /** `cpu` hides GPUs; `auto` uses what is there. */
  readonly device?: 'auto' | 'cpu' | 'gpu';
  /** Threads for one operation; 0 means one a core. */
  readonly threads?: number;
  /** Lets GPUs round the factors of float32 products to TF32; default true. For the whole process. */
  readonly tf32?: boolean;
  /**
   * Lets GPUs run only kernels that give the same bits in every run on the same GPU; default false. For the whole
   * process. Processors do so in any case.
   */
  readonly deterministic?: boolean;
  /** Lets XLA compile each program as a whole; default: on GPUs, where rewriting is not asked for. Not in float16. */
  readonly xla?: boolean;
  /** Lets XLA compile what programs mark as fused; default: on CPUs, where tensors are large. */
  readonly fusion?: boolean;
  /**
   * Lets TensorFlow rewrite graphs before it runs them; default true. Without it programs are ready in half the time
   * and as fast, where they have no dense convolutions or constants to fold; in bfloat16 they are faster, as traces
   * then write it, as they do on GPUs in any case. float16, XLA and GPUs need rewriting, and have it always.
   */
  readonly rewriting?: boolean;
}

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value);
const isThreads = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** Allowed values of each option, for messages, and in code. */
const allowed: Readonly<
  Record<keyof RuntimeOptions, readonly [words: string, is: (value: unknown) => boolean]>
> = {
  precision: ['float32, bfloat16 or float16', oneOf('float32', 'bfloat16', 'float16')],
  device: ['auto, cpu or gpu', oneOf('auto', 'cpu', 'gpu')],
  threads: ['a whole number of at least 0', isThreads],
  tf32: ['true or false', isBoolean],
  deterministic: ['true or false', isBoolean],
  xla: ['true or false', isBoolean],
  fusion: ['true or false', isBoolean],
  rewriting: ['true or false', isBoolean],
};
/** Keys of a pipeline's `runtime` that say who computes, and not how. */
const ofPipelines = ['workers', 'retries'];

/** @throws UserError `runtime-options` for options that there are not, or that cannot be such */
export function checkRuntimeOptions(options: RuntimeOptions): void {
  const problems = Object.entries(options).flatMap(([key, value]: readonly [string, unknown]) => {
    if (value === undefined || ofPipelines.includes(key)) return [];
    if (!Object.hasOwn(allowed, key))
      return [`there is no option ${key}, only ${Object.keys(allowed).join(', ')}`];
    const [words, is] = allowed[key as keyof RuntimeOptions];
    return is(value)
      ? []
      : [
          `${key} must be ${words}; ${(JSON.stringify(value) as string | undefined) ?? typeof value} was found`,
        ];
  });
  if (problems.length > 0)
    throw new UserError({
      code: 'runtime-options',
      message: `Invalid runtime options: ${problems.join('; ')}.`,
    });
}

/** Device on which a session's programs run. */
export interface Place {
  /** Kinds of the devices that TensorFlow has registered, whatever its build, and that the session may use. */
  readonly devices: readonly string[];
  /** Compute capability of the GPU, or of the least able of several; undefined where there is none, or it is not known. */
  readonly computeCapability?: readonly [major: number, minor: number] | undefined;
  /** True when the processor reports AVX-512. */
  readonly avx512: boolean;
  /** True when oneDNN computes what TensorFlow runs on the processor. */
  readonly oneDnn: boolean;
  /** True when graphs run over several processes, which always place and rewrite the whole. */
  readonly workers: boolean;
}

/** Preparation of a session's graphs, and who does it. */
export interface Preparation {
  /** TensorFlow rewrites graphs. Else what runs is placed by itself, and not the whole graph again at each trace. */
  readonly rewritten: boolean;
  /** Traces write products in bfloat16. */
  readonly mixed: boolean;
  /** Traces may write operations of oneDNN that take and give bfloat16. */
  readonly oneDnn: boolean;
  /** Type to which TensorFlow's rewriting converts products and convolutions. */
  readonly converted: 'bfloat16' | 'float16' | undefined;
  /** TensorFlow's rewriting joins convolutions and products with what follows them. */
  readonly joins: boolean;
  /** Numbers in a tensor from which functions of it that are marked as fused are compiled. */
  readonly fusesFrom: number;
  /** XLA compiles each program as a whole. */
  readonly compiled: boolean;
  /** Traces hand attention of many tokens to cuDNN, by XLA. */
  readonly fusesAttention: boolean;
  /** TensorFlow is to register no GPU for it. */
  readonly hidesGpus: boolean;
}

/** Numbers in a tensor from which a fused function gains more over a training than compiling it takes. */
export const worthFusing = 2 ** 17;

/** RewriterConfig.Toggle */
const on = 1;
const off = 2;
/** RewriterConfig.NumIterationsType.ONE: a second round over our graphs changes nothing, and takes a second or more. */
const oneRound = 1;
/** RewriterConfig.MemOptType.NO_MEM_OPT: what it changes in our graphs saves no memory, and takes half a second. */
const noMemoryOptimization = 1;

/**
 * Part of a GPU's memory that a tensor may leave unused of what the allocator gives it: by default up to 128 MiB, and as
 * much as it uses, which comes to 40 % over a model's variables.
 */
const mostUnusedOfGpu = 1e-5;

/** Bytes that cuBLAS works in on a GPU of compute capability 9.0. */
export const productBytes = 32 * 2 ** 20;

/** Decides how a session's graphs are prepared. Nothing else does: not the build of the library, nor who opens the session. */
export function preparationOf(
  { precision = 'float32', xla, rewriting = true, fusion }: RuntimeOptions,
  place: Place,
): Preparation {
  const onGpu = place.devices.includes('GPU');
  const bfloat16 = precision === 'bfloat16' && computesBfloat16(place);
  const compiled = (xla ?? (onGpu && !rewriting)) && precision !== 'float16';
  const bySelf = !rewriting && precision !== 'float16' && !onGpu;
  // TensorFlow's own rewriting knows bfloat16 on processors only, and not what XLA compiles.
  const mixed = bfloat16 && (bySelf || onGpu || compiled);
  const converted = precision === 'float16' ? 'float16' : bfloat16 && !mixed ? 'bfloat16' : undefined;
  return {
    rewritten: place.workers || !bySelf,
    mixed,
    oneDnn: mixed && place.oneDnn && !onGpu && !compiled,
    converted,
    // Joined convolutions of bfloat16 exist for oneDNN alone, which takes them up too late for graphs that go to workers.
    joins: !(place.workers && converted === 'bfloat16'),
    fusesFrom: fusion === undefined ? (onGpu ? Infinity : worthFusing) : fusion ? 0 : Infinity,
    compiled,
    fusesAttention: onGpu && compiled && mixed,
    hidesGpus: !onGpu,
  };
}

/**
 * True when products of bfloat16 are computed fast: by tensor cores since compute capability 8.0, and on processors
 * with AVX-512.
 */
export function computesBfloat16({
  devices,
  computeCapability = [8, 0],
  avx512,
}: Pick<Place, 'devices' | 'computeCapability' | 'avx512'>): boolean {
  return devices.includes('GPU') ? computeCapability[0] >= 8 : avx512;
}

/** True for sizes of attention's heads that cuDNN's kernels take. */
export function fitsFusedAttention(size: number): boolean {
  return size <= 128 && size % 8 === 0;
}

/** Preparation of operations that run one by one, as they are: eagerly, or for whatever a session asks for itself. */
export const asTheyAre = (hidesGpus: boolean): Preparation => ({
  rewritten: true,
  mixed: false,
  oneDnn: false,
  converted: undefined,
  joins: true,
  fusesFrom: Infinity,
  compiled: false,
  fusesAttention: false,
  hidesGpus,
});

/** The fields of the `ConfigProto` for `options`. */
export function configMessage(
  { threads = 0 }: RuntimeOptions,
  { rewritten, converted, joins, hidesGpus }: Preparation,
): Readonly<Record<string, unknown>> {
  const rewriteOptions = {
    metaOptimizerIterations: oneRound,
    memoryOptimization: noMemoryOptimization,
    // It makes nothing faster, and writes attributes into calls of functions that other processes then complain of.
    disableTfgOptimizer: true,
    ...(converted === 'bfloat16' && { autoMixedPrecisionOnednnBfloat16: on }),
    ...(converted === 'float16' && { autoMixedPrecision: on }),
    ...(!joins && { remapping: off }),
  };
  const graphOptions = {
    // TensorFlow rewrites no graph that it has placed without the rest.
    ...(!rewritten && { placePrunedGraph: true }),
    rewriteOptions,
  };
  return {
    intraOpParallelismThreads: threads,
    allowSoftPlacement: true,
    gpuOptions: {
      allowGrowth: true,
      experimental: { internalFragmentationFraction: mostUnusedOfGpu },
    },
    ...(hidesGpus && { deviceCount: [{ key: 'GPU', value: 0 }] }),
    graphOptions,
  };
}
