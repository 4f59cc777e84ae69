import { hasAvx512 } from '../../src/tensorflow/install/platform.js';

/**
 * Why bfloat16 is not computed here; nothing where it is. Elsewhere `precision: bfloat16` is float32, of which
 * runtime-options.test.ts tells.
 */
export const whyNoBfloat16 = hasAvx512() ? undefined : 'this processor has no AVX-512, thus no bfloat16';
