/**
 * Makes the package that other projects install: `npm run package -- [--pack-destination FOLDER]`.
 *
 * tfjs-node-gpu's own installation downloads a TensorFlow of 2022 and builds an addon for it, neither of which is used
 * here. So the package brings tfjs-node-gpu's JavaScript along, as a bundled dependency that has nothing to install.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { shapesOf } from './door-shapes.mjs';
import { makeTypesWhole } from './package-types.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundled = '@tensorflow/tfjs-node-gpu';
/** Dependencies that the part of it in use needs. */
const needed = ['google-protobuf'];
/** The images of some recipes, which the user installs who wants them. */
const drawings = 'emoji-datasource-google';
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const installedVersion = (name) => readJson(join(root, 'node_modules', name, 'package.json')).version;
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);

const destination = process.argv.indexOf('--pack-destination');
const into = resolve(destination < 0 ? '.' : process.argv[destination + 1]);
const folder = mkdtempSync(join(tmpdir(), 'package-'));
try {
  const manifest = readJson(join(root, 'package.json'));
  for (const name of [
    'LICENSE',
    'README.md',
    ...manifest.files.filter((pattern) => !pattern.startsWith('!')),
  ])
    if (existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true });
  makeTypesWhole(join(folder, 'dist'));
  dropDeadLinks();
  const ours = ['devDependencies', 'scripts', 'overrides'];
  const published = Object.fromEntries(Object.entries(manifest).filter(([key]) => !ours.includes(key)));
  const from = join(root, 'node_modules', bundled);
  const exports = await withDoors(manifest.exports);
  const used = Object.fromEntries(needed.map((each) => [each, installedVersion(each)]));
  writeJson(join(folder, 'package.json'), {
    ...published,
    exports,
    dependencies: { ...published.dependencies, ...used },
    bundleDependencies: [bundled],
    peerDependencies: { [drawings]: manifest.devDependencies[drawings] },
    peerDependenciesMeta: { [drawings]: { optional: true } },
  });
  const to = join(folder, 'node_modules', bundled);
  mkdirSync(to, { recursive: true });
  for (const name of ['dist', 'README.md']) cpSync(join(from, name), join(to, name), { recursive: true });
  const { name, version, description, license, repository, types, main } = readJson(
    join(from, 'package.json'),
  );
  writeJson(join(to, 'package.json'), { name, version, description, license, repository, types, main });

  mkdirSync(into, { recursive: true });
  execFileSync('npm', ['pack', '--loglevel=error', '--no-update-notifier', '--pack-destination', into], {
    cwd: folder,
    stdio: 'inherit',
  });
} finally {
  rmSync(folder, { recursive: true });
}

/** Leaves the text alone of links that lead to what only the repository has. */
function dropDeadLinks() {
  const pages = readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.md'));
  for (const page of pages) {
    const path = join(folder, page);
    const text = readFileSync(path, 'utf8').replace(
      /(?<!!)\[([^\]]*)\]\((?!\w+:)([^)#\s]+)[^)\s]*\)/g,
      (whole, shown, to) => (existsSync(join(dirname(path), to)) ? whole : shown),
    );
    writeFileSync(path, text);
  }
}

/**
 * The entries of the package, each behind a door that tells wrong calls from defects of this package, as programs without
 * types may pass anything. Types stay those of the entries.
 */
async function withDoors(entries) {
  mkdirSync(join(folder, 'dist/doors'));
  const opened = Object.entries(entries).map(async ([entry, places]) => {
    const module = places.default;
    if (module === undefined) return [entry, places];
    const names = Object.keys(await import(pathToFileURL(join(root, module)).href));
    const name = entry === '.' ? 'index' : basename(entry);
    const path = `./dist/doors/${name}.js`;
    writeFileSync(
      join(folder, `dist/doors/${name}.json`),
      JSON.stringify(shapesOf(join(root, places.types))),
    );
    writeFileSync(
      join(folder, path),
      `import { behindDoor } from '../library/door.js';
import * as entry from '${module.replace('./dist/', '../')}';
const shapes = new URL('./${name}.json', import.meta.url);
export const { ${names.join(', ')} } = behindDoor(entry, shapes);
`,
    );
    return [entry, { ...places, default: path }];
  });
  return Object.fromEntries(await Promise.all(opened));
}
