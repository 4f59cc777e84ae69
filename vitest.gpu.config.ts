import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.js';

/** Tests of TensorFlow's CUDA build on a fake GPU: npm run test:gpu. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [], exclude: [] } },
  defineConfig({ test: { include: ['test/gpu/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000 } }),
);
