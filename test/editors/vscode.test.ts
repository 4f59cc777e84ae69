import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import {
  commandFor,
  hintsOf,
  isPipeline,
  planArgs,
  problemsOf,
  stagesFor,
  stagesOf,
  validateArgs,
} from '../../editors/vscode/src/pipeline.js';
import { toyYaml } from '../cli/toy-project.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const tsx = fileURLToPath(new URL('../../node_modules/.bin/tsx', import.meta.url));

/** What the extension gets: the real command line's output, with a text on standard input. */
async function answer(cwd: string, args: readonly string[], input = ''): Promise<string> {
  return (await execa(tsx, [main, ...args], { cwd, input, reject: false })).stdout;
}

const text = `name: a
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, weights: vae }
  latents: { uses: encode, images: images, autoencoder: autoencodr }
`;

it('shows the errors of a text that is not saved, each at its place', async () => {
  const folder = await temporaryFolder('vscode');
  const file = join(folder, 'a.yaml');
  await writeFile(file, 'name: other\n');
  const problems = problemsOf(await answer(folder, validateArgs(file), text), file);
  expect(problems).toEqual([
    {
      range: { line: 4, start: 56, end: 66 },
      isError: true,
      code: 'unknown-stage',
      message:
        'A stage of kind `autoencoder` is expected; there is no stage `autoencodr`.\nDid you mean `autoencoder`?',
    },
  ]);
  expect(text.split('\n')[4]!.slice(56, 66)).toBe('autoencodr');
});

it('shows what is wrong in an extended file at the first line, with its place', async () => {
  const folder = await temporaryFolder('vscode');
  const file = join(folder, 'b.yaml');
  await writeFile(join(folder, 'a.yaml'), text);
  const [problem] = problemsOf(await answer(folder, validateArgs(file), 'extends: a.yaml\nname: b\n'), file);
  expect(problem).toMatchObject({ range: { line: 0 }, isError: true });
  expect(problem!.message).toContain(`${join(folder, 'a.yaml')}:5: A stage of kind`);
});

it('warns of images that are not there, and knows the stages for completion', async () => {
  const folder = await temporaryFolder('vscode');
  const file = join(folder, 'a.yaml');
  const output = await answer(folder, validateArgs(file), text.replace('autoencodr', 'autoencoder'));
  expect(problemsOf(output, file)).toMatchObject([{ isError: false, code: 'input-missing' }]);
  const stages = stagesOf(output);
  const offered = (before: string) => stagesFor(before, stages)?.map(({ id }) => id);
  expect(offered('    images: ')).toEqual(['images']);
  expect(offered('  x: { uses: encode, autoencoder: auto')).toEqual(['autoencoder']);
  expect(offered('  report: { uses: report, stages: [images, ')).toEqual([
    'images',
    'autoencoder',
    'latents',
  ]);
  expect(offered('    latents: ')).toEqual(['latents']);
  expect(offered('    steps: ')).toBeUndefined();
  expect(offered('    toString: ')).toBeUndefined();
});

it('knows the stages of a file that is being written, and none of broken YAML', async () => {
  const folder = await temporaryFolder('vscode');
  const file = join(folder, 'a.yaml');
  const known = async (written: string) =>
    stagesOf(await answer(folder, validateArgs(file), written)).map(({ id, kind }) => `${id}: ${kind}`);
  const stages = ['images: images', 'autoencoder: autoencoder', 'latents: encode'];
  expect(await known(text)).toEqual(stages);
  expect(await known(`${text}  train: { uses: train, latents: }\n  sample:\n`)).toEqual([
    ...stages,
    'train: train',
  ]);
  expect(await known(`extends: b.yaml\n`)).toEqual([]);
  expect(await known(`${text}  train: {`)).toEqual([]);
});

it('shows cached or runs beside each stage', async () => {
  const folder = await temporaryFolder('vscode');
  const file = join(folder, 'toy.yaml');
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'data', 'a.png'), 'a');
  await writeFile(file, toyYaml());
  const hints = hintsOf(await answer(folder, planArgs(file)), await readFile(file, 'utf8'));
  expect(hints.map(({ line, text: word }) => [line, word])).toEqual([
    [2, 'runs'],
    [3, 'runs'],
    [8, 'runs'],
  ]);
  expect(hints[0]!.because).toContain('never');
  const cached = { stages: [{ stage: 'train', state: 'cached', reasons: [] }] };
  const other = 'name: a\nother:\n  train: 1\nstages:\n  train: { uses: train }\n';
  expect(hintsOf(JSON.stringify(cached), other)).toEqual([{ line: 4, text: 'cached', because: '' }]);
});

it('runs the nearest command that is installed', async () => {
  const folder = await temporaryFolder('vscode');
  await mkdir(join(folder, 'a', 'b'), { recursive: true });
  expect(await commandFor(join(folder, 'a', 'b'))).toEqual(['npx', '--no-install', 'pipeline']);
  await mkdir(join(folder, 'node_modules', '.bin'), { recursive: true });
  const bin = join(folder, 'node_modules', '.bin', 'pipeline');
  await writeFile(bin, '');
  await chmod(bin, 0o755);
  expect(await commandFor(join(folder, 'a', 'b'))).toEqual([bin]);
});

it('tells pipelines from other YAML, and from locks', () => {
  expect(isPipeline(text)).toBe(true);
  expect(isPipeline('extends: a.yaml\n')).toBe(true);
  expect(isPipeline('services:\n  stages: 1\n')).toBe(false);
  expect(isPipeline('format: 1\nmadeWith: x\nstages:\n  a: 1\n')).toBe(false);
});
