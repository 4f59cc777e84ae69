import { describe, expect, test } from 'vitest';
import { computesBfloat16 } from '../../src/tensorflow/bfloat16.js';
import { configProto } from '../../src/tensorflow/runtime-options.js';

const hex = (...args: Parameters<typeof configProto>) => Buffer.from(configProto(...args)).toString('hex');

/**
 * Bytes by hand, from config.proto and rewriter_config.proto. A field begins with its number times 8, plus 0 for a
 * number or 2 for bytes with a length.
 */
const allowGrowth = '32022001'; // gpu_options (6) { allow_growth (4): true }
const softPlacement = '3801'; // allow_soft_placement (7): true

describe('the session configuration, serialized', () => {
  test('by default: GPU memory as needed, operations placed where they can be', () => {
    expect(hex({})).toBe(allowGrowth + softPlacement);
  });

  test('bfloat16 turns graph rewriting for it on', () => {
    // graph_options (10) { rewrite_options (10) { auto_mixed_precision_onednn_bfloat16 (31): ON } }
    expect(hex({ precision: 'bfloat16' }, true)).toContain('52055203f80101');
    expect(hex({ precision: 'float32' }, true)).toBe(hex({}));
  });

  test('bfloat16 is float32 where the processor has no AVX-512', () => {
    expect(hex({ precision: 'bfloat16' }, false)).toBe(hex({}));
    expect(computesBfloat16('flags\t\t: fpu avx avx2 fma')).toBe(false);
    expect(computesBfloat16('flags\t\t: fpu avx avx2 fma avx512f avx512_bf16')).toBe(true);
    // No Linux, or no x86: nothing is known against it.
    expect(computesBfloat16('Features\t: asimd bf16')).toBe(true);
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
