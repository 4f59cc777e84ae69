import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Writes a program of this folder in JavaScript, on top of what `npm run build` has made of the sources, and returns its
 * path. The loader that runs TypeScript takes 80 MB of each process and half a second; what is measured runs as the
 * released program does.
 */
export async function bundled(name: string): Promise<string> {
  const outfile = fileURLToPath(new URL(`../../dist/.bench/bundle/${name}.mjs`, import.meta.url));
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    ...{ outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm' },
    logLevel: 'warning',
    plugins: [
      {
        name: 'built',
        setup: (bundle) => {
          bundle.onResolve({ filter: /^\.\.\/\.\.\/src\// }, ({ path }) => ({
            path: path.replace(/^\.\.\/\.\.\/src\//, '../../'),
            external: true,
          }));
        },
      },
    ],
  });
  return outfile;
}
