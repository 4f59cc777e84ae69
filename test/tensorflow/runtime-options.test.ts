import { beforeAll, describe, expect, test } from 'vitest';
import { nativeBackend } from '../../src/tensorflow/index.js';
import { hasAvx512 } from '../../src/tensorflow/install/platform.js';
import { configProto } from '../../src/tensorflow/protobuf.js';
import {
  asTheyAre,
  type Place,
  type Preparation,
  preparationOf,
  type RuntimeOptions,
} from '../../src/tensorflow/runtime-options.js';
import { allowTensorFloat32, isTensorFloat32Allowed } from '../../src/tensorflow/math-modes.js';
import { libraryProtos } from './library-protos.js';

const hex = (options: RuntimeOptions, preparation: Partial<Preparation> = {}) =>
  Buffer.from(configProto(options, { ...asTheyAre(false), ...preparation })).toString('hex');

/**
 * Bytes by hand, from config.proto and rewriter_config.proto. A field begins with its number times 8, plus 0 for a
 * number or 2 for bytes with a length.
 */
// gpu_options (6) { allow_growth (4): true, experimental (9) { internal_fragmentation_fraction (10): 1e-5 } }
const allowGrowth = '320d20014a0951f168e388b5f8e43e';
const softPlacement = '3801'; // allow_soft_placement (7): true
// memory_optimization (4): NO_MEM_OPT, meta_optimizer_iterations (12): ONE
const rewriting = '20016001';
// disable_tfg_optimizer (32): true
const noTfg = '800201';
// graph_options (10) { rewrite_options (10) }
const graphOptions = `52095207${rewriting}${noTfg}`;

describe('the session configuration, serialized', () => {
  test('by default: GPU memory as needed, operations placed where they can be', () => {
    expect(hex({})).toBe(allowGrowth + softPlacement + graphOptions);
  });

  test('what rewriting is to convert', () => {
    // graph_options (10) { rewrite_options (10) { as above, auto_mixed_precision_onednn_bfloat16 (31): ON } }
    expect(hex({}, { converted: 'bfloat16' })).toContain(`520c520a${rewriting}f80101${noTfg}`);
    // auto_mixed_precision (23): ON
    expect(hex({}, { converted: 'float16' })).toContain(`520c520a${rewriting}b80101${noTfg}`);
  });

  test('no operations joined', () => {
    // remapping (14): OFF
    expect(hex({}, { joins: false })).toContain(`520b5209${rewriting}7002${noTfg}`);
  });

  test('threads', () => {
    // intra_op_parallelism_threads (2): 3
    expect(hex({ threads: 3 })).toContain('1003');
  });

  test('where GPUs are hidden, none is registered', () => {
    // device_count (1) { key (1): "GPU", value (2): 0 }. A value of 0 may be left out.
    expect(hex({}, { hidesGpus: true })).toMatch(/0a0[57]0a03475055(1000)?/);
    expect(hex({})).not.toContain('475055');
  });

  test('each graph is placed by itself where it is not rewritten', () => {
    // graph_options (10) { place_pruned_graph (6): true, rewrite_options (10) }
    expect(hex({}, { rewritten: false })).toBe(
      `${allowGrowth}${softPlacement}520b30015207${rewriting}${noTfg}`,
    );
  });
});

describe("the session configuration, read by TensorFlow's own definitions", () => {
  let decode: (options: RuntimeOptions, preparation: Partial<Preparation>) => Record<string, unknown>;
  beforeAll(() => {
    const type = libraryProtos('tensorflow/core/protobuf/config.proto').lookupType('tensorflow.ConfigProto');
    decode = (options, preparation) =>
      type.toObject(type.decode(configProto(options, { ...asTheyAre(false), ...preparation })), {
        enums: String,
      });
  });
  const decoded = (graph: object = {}, rewrite: object = {}) => ({
    gpu_options: { allow_growth: true, experimental: { internal_fragmentation_fraction: 1e-5 } },
    allow_soft_placement: true,
    graph_options: {
      ...graph,
      rewrite_options: {
        memory_optimization: 'NO_MEM_OPT',
        meta_optimizer_iterations: 'ONE',
        disable_tfg_optimizer: true,
        ...rewrite,
      },
    },
  });

  test.each([
    [{}, {}, decoded()],
    [{ threads: 3 }, {}, { ...decoded(), intra_op_parallelism_threads: 3 }],
    [{}, { hidesGpus: true }, { ...decoded(), device_count: { GPU: 0 } }],
    [{ device: 'gpu', tf32: false }, {}, decoded()],
    [{}, { converted: 'bfloat16' }, decoded({}, { auto_mixed_precision_onednn_bfloat16: 'ON' })],
    [{}, { converted: 'float16' }, decoded({}, { auto_mixed_precision: 'ON' })],
    [{}, { rewritten: false }, decoded({ place_pruned_graph: true })],
  ] as const)('%j, %j', (options, preparation, expected) => {
    expect(decode(options, preparation)).toEqual(expected);
  });
});

describe('how graphs are prepared', () => {
  const zen4: Place = { devices: ['CPU'], avx512: true, oneDnn: true, workers: false };
  const zen3: Place = { ...zen4, avx512: false };
  // An A100 in a machine with an EPYC Rome, which has no AVX-512.
  const ampere: Place = { ...zen3, devices: ['CPU', 'GPU'], computeCapability: [8, 0] };
  const turing: Place = { ...ampere, computeCapability: [7, 5], avx512: true };
  const together = (place: Place): Place => ({ ...place, workers: true });

  const cpu = {
    rewritten: true,
    mixed: false,
    oneDnn: false,
    converted: undefined,
    joins: true,
    fusesFrom: 2 ** 17,
    compiled: false,
    fusesAttention: false,
    hidesGpus: true,
  };
  const byOperation = { ...cpu, fusesFrom: Infinity, hidesGpus: false };
  const gpu = { ...byOperation, compiled: true };
  const mixed = { ...gpu, mixed: true, fusesAttention: true };
  const traced = { ...cpu, rewritten: false };
  const own = { rewriting: false } as const;
  const bf16 = { precision: 'bfloat16' } as const;
  const fp16 = { precision: 'float16' } as const;

  test.each<[string, RuntimeOptions, Place, Preparation]>([
    ['a processor', {}, zen4, cpu],
    ['a processor, without rewriting', own, zen4, traced],
    ['processors of several workers', own, together(zen4), cpu],
    ['a processor, XLA', { ...own, xla: true }, zen4, { ...traced, compiled: true }],
    ['a processor, XLA and rewriting', { xla: true }, zen4, { ...cpu, compiled: true }],
    ['a processor, everything fused', { fusion: true }, zen4, { ...cpu, fusesFrom: 0 }],
    ['a processor, nothing fused', { fusion: false }, zen4, { ...cpu, fusesFrom: Infinity }],
    ['a GPU, everything fused', { fusion: true }, ampere, { ...byOperation, fusesFrom: 0 }],
    ['a processor in bfloat16', bf16, zen4, { ...cpu, converted: 'bfloat16' }],
    ['workers in bfloat16', bf16, together(zen4), { ...cpu, converted: 'bfloat16', joins: false }],
    [
      'a processor in bfloat16, by the trace',
      { ...own, ...bf16 },
      zen4,
      { ...traced, mixed: true, oneDnn: true },
    ],
    ['the same without oneDNN', { ...own, ...bf16 }, { ...zen4, oneDnn: false }, { ...traced, mixed: true }],
    [
      'workers in bfloat16, by the trace',
      { ...own, ...bf16 },
      together(zen4),
      { ...cpu, mixed: true, oneDnn: true },
    ],
    ['bfloat16 with XLA', { ...own, ...bf16, xla: true }, zen4, { ...traced, mixed: true, compiled: true }],
    ['a processor without bfloat16', { ...own, ...bf16 }, zen3, traced],
    ['a processor without bfloat16, rewriting', bf16, zen3, cpu],
    ['a GPU', own, ampere, gpu],
    ['a GPU, without XLA', { ...own, xla: false }, ampere, byOperation],
    ['GPUs of several workers', own, together(ampere), gpu],
    ['a GPU in bfloat16, whatever the processor', { ...own, ...bf16 }, ampere, mixed],
    ['a GPU in bfloat16, with rewriting', bf16, ampere, { ...byOperation, mixed: true }],
    ['a GPU in bfloat16, with XLA', { ...bf16, xla: true }, ampere, mixed],
    ['GPUs of several workers in bfloat16', { ...own, ...bf16 }, together(ampere), mixed],
    ['an older GPU in bfloat16', { ...own, ...bf16 }, turing, gpu],
    ['an older GPU in float16', { ...own, ...fp16 }, turing, { ...byOperation, converted: 'float16' }],
    ['float16 with XLA', { ...fp16, xla: true }, turing, { ...byOperation, converted: 'float16' }],
    ['float16 on a processor', { ...own, ...fp16 }, zen4, { ...cpu, converted: 'float16' }],
  ])('%s', (_, options, place, expected) => {
    expect(preparationOf(options, place)).toEqual(expected);
  });

  test('a processor has bfloat16 with AVX-512', () => {
    expect(hasAvx512('flags\t\t: fpu avx avx2 fma')).toBe(false);
    expect(hasAvx512('flags\t\t: fpu avx avx2 fma avx512f avx512_bf16')).toBe(true);
    // No Linux, or no x86: nothing is known against it.
    expect(hasAvx512('Features\t: asimd bf16')).toBe(true);
  });
});

test('TF32 is on, and can be turned off and on', () => {
  nativeBackend({ device: 'cpu' });
  expect(isTensorFloat32Allowed()).toBe(true);
  allowTensorFloat32(false);
  expect(isTensorFloat32Allowed()).toBe(false);
  allowTensorFloat32(true);
  expect(isTensorFloat32Allowed()).toBe(true);
});
