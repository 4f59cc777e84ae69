import { beforeAll, describe, expect, test } from 'vitest';
import { hasAvx512 } from '../../src/tensorflow/library/processor.js';
import { nativeBackend } from '../../src/tensorflow/index.js';
import { configProto, preparationOf } from '../../src/tensorflow/runtime-options.js';
import { allowTensorFloat32, isTensorFloat32Allowed } from '../../src/tensorflow/tensor-float-32.js';
import { libraryProtos } from './library-protos.js';

const hex = (...args: Parameters<typeof configProto>) => Buffer.from(configProto(...args)).toString('hex');

/**
 * Bytes by hand, from config.proto and rewriter_config.proto. A field begins with its number times 8, plus 0 for a
 * number or 2 for bytes with a length.
 */
const allowGrowth = '32022001'; // gpu_options (6) { allow_growth (4): true }
const softPlacement = '3801'; // allow_soft_placement (7): true
// memory_optimization (4): NO_MEM_OPT, meta_optimizer_iterations (12): ONE
const rewriting = '20016001';
// disable_tfg_optimizer (32): true
const noTfg = '800201';
// graph_options (10) { rewrite_options (10) }
const graphOptions = `52095207${rewriting}${noTfg}`;

const rewritten = { rewritten: true, mixed: false };

describe('the session configuration, serialized', () => {
  test('by default: GPU memory as needed, operations placed where they can be', () => {
    expect(hex({})).toBe(allowGrowth + softPlacement + graphOptions);
  });

  test('bfloat16 turns graph rewriting for it on', () => {
    // graph_options (10) { rewrite_options (10) { as above, auto_mixed_precision_onednn_bfloat16 (31): ON } }
    expect(hex({ precision: 'bfloat16' }, rewritten, true)).toContain(`520c520a${rewriting}f80101${noTfg}`);
    expect(hex({ precision: 'float32' }, rewritten, true)).toBe(hex({}));
  });

  test('but not where traces write it', () => {
    expect(hex({ precision: 'bfloat16' }, { rewritten: true, mixed: true }, true)).toBe(hex({}));
  });

  test('bfloat16 is float32 where the processor has no AVX-512', () => {
    expect(hex({ precision: 'bfloat16' }, rewritten, false)).toBe(hex({}));
    expect(hasAvx512('flags\t\t: fpu avx avx2 fma')).toBe(false);
    expect(hasAvx512('flags\t\t: fpu avx avx2 fma avx512f avx512_bf16')).toBe(true);
    // No Linux, or no x86: nothing is known against it.
    expect(hasAvx512('Features\t: asimd bf16')).toBe(true);
  });

  test('threads', () => {
    // intra_op_parallelism_threads (2): 3
    expect(hex({ threads: 3 })).toContain('1003');
  });

  test('on the CPU no GPU is seen', () => {
    // device_count (1) { key (1): "GPU", value (2): 0 }. A value of 0 may be left out.
    expect(hex({ device: 'cpu' })).toMatch(/0a0[57]0a03475055(1000)?/);
    expect(hex({ device: 'gpu' })).not.toContain('475055');
  });
});

describe("the session configuration, read by TensorFlow's own definitions", () => {
  let decode: (...args: Parameters<typeof configProto>) => Record<string, unknown>;
  beforeAll(() => {
    const type = libraryProtos('tensorflow/core/protobuf/config.proto').lookupType('tensorflow.ConfigProto');
    decode = (...args) => type.toObject(type.decode(configProto(...args)), { enums: String });
  });
  const decoded = (graph: object = {}, rewrite: object = {}) => ({
    gpu_options: { allow_growth: true },
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
  const optimizer_options = { global_jit_level: 'ON_1', cpu_global_jit: true };

  test.each([
    [{}, decoded()],
    [{ threads: 3 }, { ...decoded(), intra_op_parallelism_threads: 3 }],
    [{ device: 'cpu' }, { ...decoded(), device_count: { GPU: 0 } }],
    [{ device: 'gpu', tf32: false }, decoded()],
    [{ precision: 'bfloat16' }, decoded({}, { auto_mixed_precision_onednn_bfloat16: 'ON' })],
    [{ precision: 'float16' }, decoded({}, { auto_mixed_precision: 'ON' })],
    [{ xla: true }, decoded({ optimizer_options })],
    [{ xla: true, precision: 'float16' }, decoded({ optimizer_options }, { auto_mixed_precision: 'ON' })],
  ] as const)('%j', (options, expected) => {
    expect(decode(options, rewritten, true)).toEqual(expected);
  });
});

describe('who prepares graphs', () => {
  const here = { processorOnly: true, workers: false };
  const tensorFlow = { rewritten: true, mixed: false };
  const trace = { rewritten: false, mixed: false };
  test.each([
    [{}, here, tensorFlow],
    [{ precision: 'bfloat16' }, here, tensorFlow],
    [{ rewriting: false }, here, trace],
    [{ rewriting: false }, { ...here, processorOnly: false }, tensorFlow],
    [{ rewriting: false }, { ...here, workers: true }, tensorFlow],
    [{ rewriting: false, precision: 'bfloat16' }, here, { rewritten: false, mixed: true }],
    [
      { rewriting: false, precision: 'bfloat16' },
      { ...here, workers: true },
      { rewritten: true, mixed: true },
    ],
    [{ rewriting: false, precision: 'bfloat16' }, { ...here, processorOnly: false }, tensorFlow],
    [{ rewriting: false, precision: 'bfloat16', xla: true }, here, tensorFlow],
    [{ rewriting: false, precision: 'float16' }, here, tensorFlow],
    [{ rewriting: false, xla: true }, here, tensorFlow],
  ] as const)('%j, %j', (options, place, expected) => {
    expect(preparationOf(options, place, true)).toEqual(expected);
  });

  test('bfloat16 is float32 where the processor has none', () => {
    expect(preparationOf({ rewriting: false, precision: 'bfloat16' }, here, false)).toEqual(trace);
  });

  test('each graph is placed by itself where it is not rewritten', () => {
    // graph_options (10) { place_pruned_graph (6): true, rewrite_options (10) }
    expect(hex({}, trace)).toBe(`${allowGrowth}${softPlacement}520b30015207${rewriting}${noTfg}`);
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
