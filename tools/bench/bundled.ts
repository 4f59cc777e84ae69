import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Bundles a program of this folder with what it imports of the sources, and returns its path. The loader that runs
 * TypeScript takes 80 MB of each process and half a second; what is measured runs as the released program does.
 */
export async function bundled(name: string): Promise<string> {
  // As deep below the root as the sources that look for files beside it.
  const outfile = fileURLToPath(new URL(`../../dist/.bench/bundle/${name}.mjs`, import.meta.url));
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    ...{ outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm' },
    logLevel: 'warning',
  });
  return outfile;
}
