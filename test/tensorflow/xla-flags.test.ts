import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { configureXla, type GpuFacts } from '../../src/tensorflow/gpus.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xla-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const factsOf = (name: string): GpuFacts => ({
  driver: undefined,
  expected: true,
  gpus: [{ name, computeCapability: [9, 0], bytes: 2 ** 37 }],
  problems: [],
  notes: [],
});
const configured = (name: string, deterministic = false, set: NodeJS.ProcessEnv = {}) => {
  const env: NodeJS.ProcessEnv = { PIPELINE_CACHE: folder, ...set };
  configureXla(factsOf(name), { deterministic }, env);
  return env;
};

test('XLA multiplies by cuBLAS, and keeps what it compiled with its plan of launches', () => {
  const env = configured('H200');
  expect(env.XLA_FLAGS).toBe(
    '--xla_gpu_enable_triton_gemm=false --xla_gpu_experimental_aot_compiled_thunks=true',
  );
  const [kept] = readdirSync(join(folder, 'xla'));
  expect(env.TF_XLA_FLAGS).toBe(
    `--tf_xla_persistent_cache_directory=${join(folder, 'xla', kept!)} --tf_xla_persistent_cache_device_types=GPU`,
  );
});

test('a flag of the user stands', () => {
  const flags = '--xla_gpu_experimental_aot_compiled_thunks=false';
  expect(configured('H200', false, { XLA_FLAGS: flags }).XLA_FLAGS).toBe(
    `${flags} --xla_gpu_enable_triton_gemm=false`,
  );
});

test('programs of another GPU, or of other flags, are kept apart', () => {
  expect(configured('H200', true).XLA_FLAGS).toContain('--xla_gpu_deterministic_ops=true');
  for (const name of ['H200', 'A100', 'H200']) configured(name);
  expect(readdirSync(join(folder, 'xla'))).toHaveLength(3);
});
