import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const core = '@tensorflow/tfjs-core/dist';

/** Where the specs run, spelt as in the names that tfjs-node's list gives them. */
const environment = { name: 'test-tensorflow', backendName: 'tensorflow', flags: {}, isDataSync: true };

/**
 * Declares tfjs-core's own specs with jasmine's globals, to run on the backend `tensorflow`.
 *
 * They are ES modules without file extensions, which Node cannot load: they are bundled first. The bundle has
 * a copy of tfjs-core of its own, because specs reach into modules that the package does not export. State is
 * not doubled: tfjs-core keeps its engine, kernels and gradients in process-wide variables, so that the specs
 * run on what our backend has registered. It must be registered before.
 */
export async function declareSpecs(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'));
  try {
    const outfile = join(folder, 'specs.cjs');
    await build({
      stdin: {
        contents: `
          require('${core}/public/chained_ops/register_all_chained_ops');
          require('${core}/register_all_gradients');
          require('${core}/jasmine_util').setTestEnvs([${JSON.stringify(environment)}]);
          require('${core}/tests');`,
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      mainFields: ['module', 'main'],
      // The package says that its modules have no side effects; its specs are nothing else.
      ignoreAnnotations: true,
      logLevel: 'error',
      outfile,
    });
    createRequire(import.meta.url)(outfile);
  } finally {
    await rm(folder, { recursive: true });
  }
}
