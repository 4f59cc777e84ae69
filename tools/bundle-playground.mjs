/**
 * Bundles the program of playground pages, `src/stages/playground/browser`, into one script that runs in a browser, and
 * writes it with tfjs's WebAssembly to where the compiled stage reads them:
 * `node tools/bundle-playground.mjs [FOLDER]`, `dist` unless another is named.
 *
 * It is the project's own code of models and samplers. Modules of that folder stand in for the native TensorFlow. Of
 * tfjs it holds the operations that this code calls, and of each of tfjs's backends the kernels of these operations.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src');
const folder = join(source, 'stages/playground');
const browser = (name) => join(folder, 'browser', `${name}.ts`);
const require = createRequire(import.meta.url);
/** Folder of the modules of one of tfjs's packages. */
const modulesOf = (name) => join(dirname(require.resolve(`@tensorflow/${name}/package.json`)), 'dist');
const core = modulesOf('tfjs-core');
const backends = ['wasm', 'webgl', 'webgpu'];

/** Modules of the engine that are native, for which `browser/native.ts` stands in. */
const native = ['engine', 'native-backend', 'tracer', 'session', 'c-api'].map((name) =>
  join(source, 'tensorflow', `${name}.ts`),
);

/** @param methods of tensors that the code calls, @param kernels that their operations run */
const plugin = (methods, kernels) => ({
  name: 'browser',
  setup({ onResolve, onLoad }) {
    // Nothing of our own acts by being loaded, so that modules of which nothing is used are left out.
    onResolve({ filter: /^\.{1,2}\/.*\.js$/ }, ({ path, importer, resolveDir }) => {
      if (!importer.startsWith(source)) return undefined;
      const file = join(resolveDir, path.replace(/\.js$/, '.ts'));
      return { path: file, namespace: native.includes(file) ? 'native' : 'file', sideEffects: false };
    });
    // What the engine uses of Node's has its counterpart; all else is used by functions that a browser never calls.
    onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
      if (!importer.startsWith(source) || importer.startsWith(join(folder, 'browser'))) return undefined;
      if (path === '@tensorflow/tfjs-core') return undefined;
      const isEngines = path.startsWith('node:') && importer.startsWith(join(source, 'tensorflow'));
      return { path, namespace: isEngines ? 'native' : 'absent', sideEffects: false };
    });
    // Not as a module of the language: what names there are is not looked into.
    onLoad({ filter: /.*/, namespace: 'native' }, () => ({
      contents: `module.exports = require('${browser('native')}')`,
      resolveDir: root,
    }));
    // Without the kernels, of which each package registers all.
    onResolve({ filter: /^@tensorflow\/tfjs-backend-\w+$/ }, ({ path }) => ({
      path: join(modulesOf(path.replace('@tensorflow/', '')), 'base.js'),
      sideEffects: true,
    }));
    // A page opened from the disk has no threads that share memory.
    onResolve({ filter: /wasm-threaded-simd/ }, ({ path }) => ({ path, namespace: 'absent' }));
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {}', loader: 'js' }));
    onResolve({ filter: /^virtual:/ }, ({ path }) => ({
      path,
      namespace: 'generated',
      sideEffects: true,
    }));
    onLoad({ filter: /methods$/, namespace: 'generated' }, () => ({
      contents: methods.map((name) => `import '${join(core, 'public/chained_ops', name)}.js';`).join('\n'),
      resolveDir: root,
    }));
    onLoad({ filter: /kernels$/, namespace: 'generated' }, () => ({
      contents: backends.map((backend) => registrations(backend, kernels)).join('\n'),
      resolveDir: root,
    }));
    // As a namespace of its own in every module, of which only the used members are kept.
    onLoad({ filter: /^.*\/src\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        /import \{([^}]*)\} from '([^']*(?:tensorflow\/index|\/tfjs)\.js)';/,
        (statement, list, from) => {
          const names = list.split(',').map((name) => name.trim());
          if (!names.includes('tf')) return statement;
          const others = names.filter((name) => name !== 'tf' && name !== '').join(', ');
          return `import * as tf from '@tensorflow/tfjs-core'; import { ${others} } from '${from}';`;
        },
      ),
      loader: 'ts',
    }));
  },
});

/** Code that registers those kernels that a backend has. */
function registrations(backend, kernels) {
  const directory = join(modulesOf(`tfjs-backend-${backend}`), 'kernels');
  return kernels
    .filter((name) => existsSync(join(directory, `${name}.js`)))
    .map((name) => {
      const file = join(directory, `${name}.js`);
      const [, config] = /export const (\w+Config)\b/.exec(readFileSync(file, 'utf8'));
      const local = `${backend}_${config}`;
      return `import { ${config} as ${local} } from '${file}';\nregisterKernel(${local});`;
    })
    .concat(`import { registerKernel } from '@tensorflow/tfjs-core';`.repeat(backend === backends[0]))
    .join('\n');
}

function bundled(entry, methods, kernels, options) {
  return build({
    absWorkingDir: root,
    entryPoints: [browser(entry)],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
    metafile: true,
    plugins: [plugin(methods, kernels)],
    logLevel: 'error',
    ...options,
  });
}

/**
 * The script, its size by where it comes from, and tfjs's WebAssembly, compressed. Stages that run from the sources call
 * this themselves.
 */
export async function bundlePlayground() {
  const alone = await bundled('painter', [], []);
  const methods = methodsIn(alone.metafile);
  const operations = await bundled('painter', methods, []);
  const { outputFiles, metafile } = await bundled(
    'main',
    methods,
    kernelsIn(operations.outputFiles[0].text),
    {
      minify: true,
    },
  );
  const wasm = readFileSync(join(modulesOf('tfjs-backend-wasm'), 'tfjs-backend-wasm-simd.wasm'));
  return {
    program: outputFiles[0].text,
    inputs: Object.values(metafile.outputs)[0].inputs,
    wasm: gzipSync(wasm, { level: 9 }),
  };
}

/** Methods of tensors by the names of what the project's own modules call. */
function methodsIn({ inputs }) {
  const called = new Set();
  for (const path of Object.keys(inputs).filter((each) => each.startsWith('src/')))
    for (const [, name] of readFileSync(join(root, path), 'utf8').matchAll(/\.(\w+)(?:<\w+>)?\(/g))
      called.add(name);
  // Methods like `matMul` stand in files like `mat_mul.js`.
  return [...called]
    .map((name) => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`))
    .filter((name) => existsSync(join(core, 'public/chained_ops', `${name}.js`)))
    .sort();
}

/** Names of kernels that are left where all else is shaken off. */
function kernelsIn(text) {
  const names = readFileSync(join(core, 'kernel_names.js'), 'utf8').matchAll(/export const \w+ = '(\w+)';/g);
  return [...names].map(([, name]) => name).filter((name) => text.includes(`"${name}"`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { program, wasm } = await bundlePlayground();
  const assets = join(process.argv[2] ?? join(root, 'dist'), 'stages/playground/assets');
  mkdirSync(assets, { recursive: true });
  writeFileSync(join(assets, 'program.js'), program);
  writeFileSync(join(assets, 'tfjs.wasm.gz'), wasm);
}
