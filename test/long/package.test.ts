import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinyPipeline } from '../support/tiny-pipeline.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const tsx = import.meta.resolve('tsx');

let folder: string;
let env: Record<string, string>;

/** A project elsewhere that installed what `npm run package` made, with a home that is empty but for the native library. */
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'installed ü ')));
  const { stdout, stderr } = await execa(
    'npm',
    ['run', '--silent', 'package', '--', '--pack-destination', folder],
    { cwd: root },
  );
  expect([stdout.split('\n').length, stderr]).toEqual([1, '']);
  await writeFile(
    join(folder, 'package.json'),
    '{ "name": "elsewhere", "private": true, "type": "module" }\n',
  );
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  await execa('npm', [...install, join(folder, stdout.trim().split('\n').at(-1)!)], { cwd: folder });
  await mkdir(join(folder, 'home'));
  env = {
    PIPELINE_CACHE: process.env.PIPELINE_CACHE ?? join(homedir(), '.cache', 'mediator-sit'),
    PIPELINE_RUNS: join(folder, 'runs'),
    ...{ HOME: join(folder, 'home'), XDG_CACHE_HOME: '', NO_COLOR: '1' },
  };
  const installed = join(folder, 'node_modules', 'mediator-sit');
  await cp(join(installed, 'examples'), join(folder, 'examples'), { recursive: true });
  const tiny = await tinyPipeline();
  await cp(tiny, folder, { recursive: true });
  await rm(tiny, { recursive: true });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (program: string, args: readonly string[]) =>
  execa(program, args, { cwd: folder, env, reject: false });
const example = (name: string, ...args: string[]) =>
  run(process.execPath, ['--import', tsx, join('examples', name), ...args]);

it('holds what it needs and nothing of how it was made', async () => {
  const files = await readdir(join(folder, 'node_modules', 'mediator-sit'));
  expect(files.sort()).toEqual([
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist',
    'docs',
    'examples',
    'node_modules',
    'package.json',
    'pipelines',
    'schemas',
  ]);
  const own = ['dist', 'schemas'].map((name) =>
    readdir(join(folder, 'node_modules', 'mediator-sit', name), { recursive: true }),
  );
  const ours = (await Promise.all(own)).flat();
  expect(ours.filter((path) => /(^|\/)\.|\.map$|\.mjs$|write-validator/.test(path))).toEqual([]);
});

it('has pages whose links lead to what it holds', async () => {
  const installed = join(folder, 'node_modules', 'mediator-sit');
  const pages = (await readdir(installed, { recursive: true })).filter(
    (path) => path.endsWith('.md') && !path.startsWith('node_modules'),
  );
  const links = await Promise.all(
    pages.map(async (page) => {
      const text = await readFile(join(installed, page), 'utf8');
      return Array.from(text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g), ([, to]) => join(dirname(page), to!));
    }),
  );
  expect(links.flat().length).toBeGreaterThan(100);
  expect(links.flat().filter((to) => !existsSync(join(installed, to)))).toEqual([]);
});

it('has the weights that its recipes name', async () => {
  const recipes = join(folder, 'node_modules', 'mediator-sit', 'pipelines');
  const files = (await readdir(recipes)).filter((name) => name.endsWith('.yaml'));
  const named = await Promise.all(
    files.map(async (name) => {
      const text = (await readFile(join(recipes, name), 'utf8')).replace(/^\s*#.*$/gm, '');
      return text.match(/\bemoji-64\/[\w-]+/g) ?? [];
    }),
  );
  expect(named.flat()).toContain('emoji-64/autoencoder');
  expect(named.flat().filter((path) => !existsSync(join(recipes, path)))).toEqual([]);
});

it('has a command that checks and plans', async () => {
  const validate = await run('npx', ['pipeline', 'validate', 'tiny.yaml']);
  expect([validate.exitCode, validate.stdout]).toEqual([0, 'tiny.yaml: valid, 6 stages']);
  const recipe = join('node_modules', 'mediator-sit', 'pipelines', 'quickstart.yaml');
  expect((await run('npx', ['pipeline', 'validate', recipe])).exitCode).toBe(0);
});

it('says how to fetch the native library where it is not set up', async () => {
  const { stdout, stderr } = await execa('npx', ['pipeline', 'doctor'], {
    ...{ cwd: folder, reject: false },
    env: { ...env, PIPELINE_CACHE: join(folder, 'home', 'none') },
  });
  expect(stdout + stderr).toContain('npx pipeline-setup');
  expect(stdout + stderr).not.toContain('npm run setup');
  expect((await run('npx', ['pipeline-setup', '--help'])).stdout).toContain('Usage: npx pipeline-setup ');
});

it.each([
  ['node16', 'node16', ['ES2022']],
  ['esnext', 'bundler', ['ES2022', 'DOM']],
])(
  'has types that compile in projects that check those of packages: module %s, resolution %s, %j',
  async (module, moduleResolution, lib) => {
    const types = join(root, 'node_modules', '@types');
    await writeFile(
      join(folder, 'consumer.ts'),
      `import { type ModelName, SiT, tf, type Tensor, UserError } from 'mediator-sit';
import { Session, trace } from 'mediator-sit/engine';
const name: ModelName = 'SiT-S/2';
export const doubled = (x: Tensor): Tensor => tf.tidy(() => x.mul(2).add(tf.scalar(1)));
// @ts-expect-error There is no such model.
export const none: ModelName = 'SiT-Q/2';
export const parts = [SiT.configOf({ name, latentSize: 32, classes: 10, mediators: 4 }), UserError, Session, trace];
`,
    );
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          ...{ module, moduleResolution, lib, target: 'ES2022', strict: true, noEmit: true },
          ...{ skipLibCheck: false, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true },
          ...{ noImplicitOverride: true, typeRoots: [types], types: ['node'] },
        },
        include: ['examples', 'consumer.ts'],
      }),
    );
    const { exitCode, stdout } = await run(process.execPath, [tsc, '-p', '.']);
    expect([exitCode, stdout]).toEqual([0, '']);
  },
);

it('ends wrong calls of programs without types in errors with a code', async () => {
  await writeFile(
    join(folder, 'wrong.mjs'),
    `import * as library from 'mediator-sit';
import * as engine from 'mediator-sit/engine';
const codeOf = async (use) => {
  try { await use(); } catch (error) { return error instanceof library.UserError ? error.code : String(error); }
};
console.log(await codeOf(() => library.sampleSde()), await codeOf(() => library.SiT.create(null)), await codeOf(() => engine.mapValues()));
console.log(Object.keys(library).length > 100, Object.keys(engine).length > 50);
`,
  );
  const { stdout, stderr } = await run(process.execPath, ['wrong.mjs']);
  expect([stdout, stderr]).toEqual(['argument argument argument\ntrue true', '']);
});

/** Programs that bundle `program.mjs` into `bundle/bundle.mjs`, by the bundler; the first argument says what is left out. */
const bundlers = {
  esbuild: `import { build } from 'esbuild';
const options = { bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' };
await build({ ...options, entryPoints: ['program.mjs'], outfile: 'bundle/bundle.mjs', external: leftOut });
`,
  vite: `import { build } from 'vite';
const ssr = leftOut.length > 0 ? { external: leftOut } : { noExternal: true };
const output = { entryFileNames: 'bundle.mjs' };
await build({
  ...{ configFile: false, logLevel: 'silent', ssr },
  build: { ssr: 'program.mjs', outDir: 'bundle', rollupOptions: { output } },
});
`,
  webpack: `import webpack from 'webpack';
const output = { path: process.cwd() + '/bundle', filename: 'bundle.mjs', module: true, chunkFormat: 'module' };
const compiler = webpack({
  ...{ mode: 'production', target: 'node', entry: './program.mjs', output, experiments: { outputModule: true } },
  ...{ optimization: { minimize: false, emitOnErrors: true }, externals: leftOut, externalsType: 'module' },
});
await new Promise((resolve, reject) => compiler.run((error) => (error ? reject(error) : resolve())));
`,
};

describe('in a bundle', () => {
  /** Their exact versions: what they do with modules changes from one to the next. */
  const versions = ['esbuild@0.28.2', 'vite@8.4.0', 'webpack@5.113.0'];
  beforeAll(async () => {
    const install = [
      'install',
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--loglevel=error',
    ];
    await execa('npm', [...install, ...versions], { cwd: folder });
    await writeFile(
      join(folder, 'program.mjs'),
      `import { SiT } from 'mediator-sit';
const sizes = { hiddenSize: 8, depth: 1, heads: 2, patchSize: 2, latentSize: 4, classes: 2, mediators: 1 };
const model = await SiT.create(SiT.configOf(sizes));
console.log(model.config.depth);
await model.close();
`,
    );
  });

  it.each(Object.entries(bundlers))('of %s says so, and works beside one', async (name, program) => {
    const bundled = async (leftOut: readonly string[]) => {
      const script = join(folder, `${name}.mjs`);
      await writeFile(script, `const leftOut = ${JSON.stringify(leftOut)};\n${program}`);
      await rm(join(folder, 'bundle'), { recursive: true, force: true });
      const made = await run(process.execPath, [script]);
      expect(made.exitCode, made.stderr).toBe(0);
      return run(process.execPath, [join('bundle', 'bundle.mjs')]);
    };
    const inside = await bundled([]);
    expect(inside.exitCode).toBe(1);
    expect(inside.stderr).toContain("code: 'bundled'");
    expect(inside.stderr).toContain("external: ['mediator-sit']");
    const beside = await bundled(['mediator-sit']);
    expect([beside.exitCode, beside.stdout], beside.stderr).toEqual([0, '1']);
  });
});

it('runs a pipeline from a program, and draws the same as its sample stage', async () => {
  const ran = await example('run-pipeline.ts', 'tiny.yaml');
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  expect(ran.stdout).toMatch(/^images: never run\n/);
  expect((await example('run-pipeline.ts', 'tiny.yaml')).stdout).toContain('images: cached\n');
  const latest = join(folder, 'runs', 'tiny', 'latest');
  const drawn = await example('sample.ts', join(latest, 'train'), join(latest, 'autoencoder'));
  expect(drawn.exitCode, drawn.stdout + drawn.stderr).toBe(0);
  expect(drawn.stdout).toMatch(/^circles, squares, triangles: 4 of each, with 4 mediators at most\n/);
  // Twelve columns of 16 px drawn twice as large and two rows, 2 px between them.
  const { width, height } = await sharp(join(folder, 'drawn.png')).metadata();
  expect([width, height]).toEqual([12 * 34 + 2, 2 * 34 + 2]);

  const same = join(folder, 'same.ts');
  await writeFile(
    same,
    `import { Autoencoder, Decoder, SiT, sampleSde, writePng } from 'mediator-sit';
const model = await SiT.open(${JSON.stringify(join(latest, 'train'))}, { runtime: { threads: 1 } });
const autoencoder = await Autoencoder.open(${JSON.stringify(join(latest, 'autoencoder'))}, { threads: 1 });
const labels = [0, 1, 2, 0];
const { latents } = await sampleSde(model, { labels, seed: 3, steps: 6, guidanceScale: 2 });
const images = await new Decoder(autoencoder, 4).decode(latents);
for (const [i, image] of images.entries()) await writePng(\`00000\${i}.png\`, image);
await Promise.all([model.close(), autoencoder.close()]);
`,
  );
  const again = await run(process.execPath, ['--import', tsx, same]);
  expect(again.exitCode, again.stderr).toBe(0);
  for (const name of ['000000.png', '000003.png'])
    expect(await readFile(join(folder, name))).toEqual(
      await readFile(join(latest, 'sample', 'samples', name)),
    );
});

it('trains, saves and draws from a program', async () => {
  const { exitCode, stdout, stderr } = await example('train.ts', '40', 'trained');
  expect(exitCode, stdout + stderr).toBe(0);
  const losses = [...stdout.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
  expect(losses).toHaveLength(2);
  expect(losses[1]!).toBeLessThan(losses[0]!);
  const { width, height } = await sharp(join(folder, 'trained', 'drawn.png')).metadata();
  expect(Math.min(width, height)).toBeGreaterThan(64);
  const model = join(folder, 'trained', 'model');
  const imported = await run('npx', ['pipeline', 'import', model, 'imported']);
  expect(imported.exitCode, imported.stderr).toBe(0);
});
