import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLockFile } from '../../src/runner/yaml/text.js';
import { type LanguageServer, startLanguageServer } from '../support/language-server.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

let server: LanguageServer;
beforeAll(async () => {
  server = await startLanguageServer(join(root, 'schemas/editor.schema.json'));
});
afterAll(() => server.close());

/** What is red in a file that names no schema. */
const errors = (text: string) => server.errors(join(root, 'mine.yaml'), text);

async function names(folder: string, ending: string): Promise<string[]> {
  const all = await readdir(join(root, folder), { recursive: true });
  return all.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

describe('green', () => {
  it('are all recipes, by the schema that their first line names', async () => {
    const files = await names('pipelines', '.yaml');
    for (const file of files) {
      const path = join(root, file);
      if (await isLockFile(path)) continue;
      const text = await readFile(path, 'utf8');
      expect(text).toMatch(/^# yaml-language-server: \$schema=\.\.\/schemas\/editor\.schema\.json\n/);
      expect(await server.errors(path, text), file).toEqual([]);
    }
    expect(files.length).toBeGreaterThan(10);
  });

  it('are all examples in the documentation', async () => {
    const pages = [...(await names('docs', '.md')), 'README.md'];
    const examples = await Promise.all(
      pages.map(async (page) =>
        Array.from(
          (await readFile(join(root, page), 'utf8')).matchAll(/^( *)```yaml\n([\s\S]*?)^\1```$/gm),
          ([, , text]) => ({ page, text: text! }),
        ),
      ),
    ).then((all) => all.flat().filter(({ text }) => !/^#[^\n]*\n$/.test(text)));
    for (const { page, text } of examples)
      expect(await errors(wholeFile(text)), `${page}\n${text}`).toEqual([]);
    expect(examples.length).toBeGreaterThan(30);
  });

  /** Examples that show a part of a file, as a file that extends another has it. */
  function wholeFile(text: string): string {
    if (/^(?:extends|name):/m.test(text)) return text;
    if (/^(?:stages|sweep|runtime|seed):/m.test(text)) return `extends: other.yaml\n${text}`;
    return `extends: other.yaml\nstages:\n${text.replace(/^(?=.)/gm, '  ')}`;
  }

  it.each([
    'stages: { report: null }',
    'stages: { train: { steps: null, epochs: 3, model: { mediators: 16 } } }',
    'stages: { images: { size: "${env:SIZE:-256}", labels: null } }',
    'stages: { train: { samples: "${env:SAMPLES}", flips: "${env:FLIPS}" } }',
    'runtime: { workers: "${env:WORKERS}", tf32: "${env:TF32}", device: "${env:DEVICE}" }\nname: "${env:NAME}"',
    'stages: { train: { model: null } }\nruntime: null',
    'stages: { train: { model: { $replace: true, name: SiT-S/2, mediators: 4 } } }',
    'stages: { train: { foreach: [4, 16], model: { mediators: "${item}" } } }',
    'options: { smoke: { stages: { train: { steps: 2, model: null }, report: null } } }\nchoose: smoke',
    'options: {}',
    'stages: { train: { steps: "${stages.autoencoder.steps}", model: "${stages.other.model}" } }',
  ])('is what a file that extends others may have: %s', async (text) => {
    expect(await errors(`extends: other.yaml\n${text}\n`)).toEqual([]);
  });
});

const sound = `name: sound
stages:
  images: { uses: images, path: photos, size: 32 }
  autoencoder: { uses: autoencoder, weights: stabilityai/sd-vae-ft-ema }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train: { uses: train, latents: latents, model: { name: SiT-S/2, mediators: 4 }, steps: 5 }
`;

/** Where a text stands in the sound file after a change, and what an editor says there. */
async function redIn(from: string, to: string): Promise<readonly string[]> {
  expect(sound).toContain(from);
  const told = await errors(sound.replace(from, to));
  return told.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

it.each(['', '\n', '# mine\n'])('is green before anything is written: %j', async (text) => {
  expect(await errors(text)).toEqual([]);
});

describe('red', () => {
  it('is nothing in the file that the others are made of', async () => {
    expect(await errors(sound)).toEqual([]);
  });

  it.each([
    ['mediators: 4', 'mediators: 5', ['6:78 Expected a perfect square, or 0 for full attention.']],
    ['mediators: 4', 'mediators: [4, 5]', ['6:82 Expected a perfect square, or 0 for full attention.']],
    [
      'mediators: 4',
      'mediators: [{ blocks: [0, 3], mediators: 5 }]',
      ['6:108 Expected a perfect square, or 0 for full attention.'],
    ],
    [', steps: 5', '', ['6:3 Needs `epochs` or `steps`.']],
    ['steps: 5', 'steps: 5, epochs: 2', ['6:90 Takes either `epochs` or `steps`, not both.']],
    ['steps: 5', 'steps: 5, stepz: 5', ['6:93 Property stepz is not allowed.']],
    ['steps: 5', 'steps: many', ['6:90 Expected a whole number.']],
    ['steps: 5', 'steps: "5"', ['6:90 Expected a whole number.']],
    ['steps: 5', 'steps: null', ['6:90 Incorrect type. Expected one of integer, string.']],
    ['steps: 5', 'steps: 0', ['6:90 Value is below the minimum of 1.']],
    ['latents: latents', 'latents: 5', ['6:34 Incorrect type. Expected "string".']],
    ['latents: latents', 'latents: no id', ['6:34 Expected the id of a stage.']],
    ['latents: latents, ', '', ['6:3 Needs `latents` or `images`, `autoencoder`.']],
    ['uses: train, ', '', ['6:3 Missing property "uses".']],
    [
      'name: sound',
      'name: A b',
      ['1:7 Expected lower-case letters and digits, with single hyphens between them.'],
    ],
    ['name: sound', 'seed: 1', ['1:1 Missing property "name".']],
    [
      'steps: 5 }\n',
      'steps: 5 }\n  sample: { uses: sample, model: train, autoencoder: autoencoder, count: 2, classes: [1.5] }\n',
      ['7:87 Incorrect type. Expected one of string, integer.'],
    ],
    ['name: sound', 'name: sound\nruntime: { tf32: maybe }', ['2:18 Expected true or false.']],
  ])('is %j as %j', async (from, to, expected) => {
    expect(await redIn(from, to)).toEqual(expected);
  });

  it.each([
    ['name: SiT-S/2', 'name: SiT-S2', '"SiT-S/2"'],
    ['uses: train', 'uses: trian', '"train"'],
    ['name: sound', 'name: sound\nruntime: { device: gpuu }', '"gpu"'],
  ])('is %j as %j, with the words that there are', async (from, to, word) => {
    expect(await redIn(from, to)).toEqual([expect.stringContaining(word)]);
  });

  it.each([
    ['train: { steps: 5 }\noptions: { wide: 3 }', 'Incorrect type. Expected "pipeline".'],
    ['train: { steps: 0 }', 'Value is below the minimum of 1.'],
    ['train: { model: { mediators: 5 } }', 'Expected a perfect square'],
    ['train: { model: { name: SiT-S2 } }', 'Value is not accepted.'],
    ['train: { foreach: 5 }', 'Incorrect type.'],
    ['any: { zzz: 3 }', 'Property zzz is not allowed.'],
    ['train: { uses: train, guidanceScale: 3 }', 'Property guidanceScale is not allowed.'],
    ['sample: { guidanceScale: much }', 'Expected a number.'],
  ])('is in a file that extends others: %s', async (stage, message) => {
    const told = await errors(`extends: other.yaml\nstages:\n  ${stage}\n`);
    expect(told.map((each) => each.message)).toEqual([expect.stringContaining(message)]);
  });
});

describe('explains', () => {
  const hover = (at: string): Promise<string> => server.hover(join(root, 'mine.yaml'), sound, at);

  it('every kind of stage with a sentence of its own', async () => {
    const sentences = [...(await hover('uses: train')).matchAll(/^\* `(\w+)`: (.*)\.$/gm)];
    expect(sentences.length).toBeGreaterThanOrEqual(10);
    expect(new Set(sentences.map(([, , sentence]) => sentence)).size).toBe(sentences.length);
    const offered = await server.completions(
      join(root, 'mine.yaml'),
      sound.replace('uses: train', 'uses: '),
      'train: { uses: ',
    );
    expect(offered.get('sample')).toBe(
      'Draws images with a trained model: PNG files and an .npz of all of them.',
    );
    expect(new Set(offered.values()).size).toBe(offered.size);
  });

  it('keys with default and unit', async () => {
    const text = sound.replace('steps: 5', 'steps: 5, globalBatch: 4');
    expect(await server.hover(join(root, 'mine.yaml'), text, 'globalBatch')).toContain(
      'Latents per step, over all workers. Unit: latents. Default: 256.',
    );
    expect(await hover('mediators: 4')).not.toContain('Allowed Values');
  });
});
