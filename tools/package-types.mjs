/**
 * Makes the declarations of the package stand on their own: those of tfjs-core come along, and the project's refer to
 * them. tfjs's own do not compile where `skipLibCheck` is off: they need declarations of WebGPU, of browsers and of
 * `Long` that nobody has installed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core/package.json'));
/** Types of browsers and of other packages that tfjs-core mentions: in Node there are no such objects. */
const elsewhere = [
  'GPUBuffer',
  'GPUDevice',
  'HTMLCanvasElement',
  'HTMLImageElement',
  'HTMLSourceElement',
  'HTMLVideoElement',
  'IDBFactory',
  'ImageBitmap',
  'ImageData',
  'Long',
  'Navigator',
  'OffscreenCanvas',
  'Storage',
  'WebGL2RenderingContext',
  'WebGLContextAttributes',
  'WebGLRenderingContext',
  'WebGLTexture',
];
const chained = './public/chained_ops/register_all_chained_ops';
const specifier = /((?:from|import|declare module)\s*\(?\s*['"])([^'"]+)(?=['"])/g;

/** @param dist compiled files of the package that is to be made */
export function makeTypesWhole(dist) {
  const own = join(dist, 'tensorflow', 'tfjs-core');
  copyDeclarations(own);
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!/\.d\.c?ts$/.test(entry.name) || path.startsWith(own)) continue;
    const there = relative(dirname(path), join(own, 'index.js'));
    const text = readFileSync(path, 'utf8').replace(specifier, (whole, before, name) =>
      /^@tensorflow\/tfjs(-core)?$/.test(name)
        ? `${before}${there.startsWith('.') ? there : `./${there}`}`
        : whole,
    );
    writeFileSync(path, text);
  }
}

/** Copies what the entry of tfjs-core refers to, with the methods of tensors. */
function copyDeclarations(own) {
  const from = join(core, 'dist');
  const found = new Set(['index.d.ts']);
  for (const file of found) {
    const up = `./${relative(dirname(file), '.')}`.replace(/\/$/, '');
    const text =
      readFileSync(join(from, file), 'utf8').replaceAll('@tensorflow/tfjs-core/dist', up) +
      (file === 'index.d.ts' ? `import '${chained}';\n` : '');
    for (const [, , name] of text.matchAll(specifier)) {
      if (!name.startsWith('.')) continue;
      const path = join(dirname(file), name);
      found.add([`${path}.d.ts`, join(path, 'index.d.ts')].find((each) => existsSync(join(from, each))));
    }
    mkdirSync(dirname(join(own, file)), { recursive: true });
    writeFileSync(join(own, file), withoutElsewhere(text));
  }
  const { name, version, license } = JSON.parse(readFileSync(join(core, 'package.json'), 'utf8'));
  // Its declarations leave out the endings of files, as those of CommonJS may.
  const manifest = { name, version, license, type: 'commonjs', types: 'index.d.ts' };
  writeFileSync(join(own, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

function withoutElsewhere(text) {
  const plain = text.replace(/^\/\/\/ <(?:reference|amd-module) .*\n/gm, '');
  const mentioned = elsewhere.filter((name) => new RegExp(`\\b${name}\\b`).test(plain));
  return plain + mentioned.map((name) => `type ${name} = object;\n`).join('');
}
