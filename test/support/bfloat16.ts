import { hasAvx512 } from '../../src/tensorflow/library/processor.js';

/** Whether bfloat16 is computed here; elsewhere `precision: bfloat16` is float32, of which runtime-options.test.ts tells. */
export const hasBfloat16 = hasAvx512();

/** For the names of tests that need it: why they are skipped, where they are. */
export const skippedWithoutBfloat16 = hasBfloat16
  ? ''
  : ' (skipped: this processor has no AVX-512, thus no bfloat16)';
