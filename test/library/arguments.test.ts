import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as library from '../../src/index.js';

const { Autoencoder, SiT, float32, imageGrid, int32, prepareImage, rowsOf, train, writePng } = library;
const sizes = { hiddenSize: 8, depth: 1, heads: 2, patchSize: 1, latentSize: 2, classes: 2, mediators: 1 };
const image = { width: 2, height: 2, data: new Uint8Array(12) };
/** What a program without types may pass. */
const none = undefined as unknown as string;
let folder: string;
let model: library.SiT;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'arguments-'));
  await writeFile(join(folder, 'text.png'), 'no image');
  await library.startEngine({ device: 'cpu', threads: 1 });
  model = await SiT.create(SiT.configOf(sizes));
});
afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true });
});

const taught = (options: object) => () =>
  train({ ...sizes, latentSize: 2 }, [{ ...image, label: 0 }], { steps: 1, ...options });
const rows = (width: number, count: number) => rowsOf(width, new Float32Array(width * count));

it.each<[string, () => unknown, string]>([
  ['a model that is not there', () => SiT.open(join(folder, 'none')), 'none'],
  ['a model without a path', () => SiT.open(none), 'A model is named by a path; undefined was found.'],
  ['a folder for a model without a path', () => model.save(none), 'named by a path'],
  ['a model on no device', () => SiT.create(model.config, { runtime: { device: 'tpu' as 'cpu' } }), 'tpu'],
  ['an unknown model', () => SiT.configOf({ name: 'SiT-Q/2' as 'SiT-S/2', ...sizes }), 'SiT-Q/2'],
  ['an autoencoder that is not there', () => Autoencoder.open(join(folder, 'none'), {}), 'autoencoder.json'],
  ['an autoencoder without a path', () => Autoencoder.open(none, {}), 'named by a path'],
  ['an image that is not there', () => prepareImage(join(folder, 'none.png'), 8), 'none.png'],
  ['an image that is none', () => prepareImage(join(folder, 'text.png'), 8), 'text.png'],
  ['an image without a path', () => prepareImage(none, 8), 'named by a path'],
  ['a decoded image without a path', () => library.decodeImage(none, '#ffffff'), 'named by a path'],
  [
    'a PNG file of too few bytes',
    () => writePng(join(folder, 'a.png'), { ...image, width: 3 }),
    '18 bytes; 12',
  ],
  ['a PNG file in no folder', () => writePng(join(folder, 'none', 'a.png'), image), 'none'],
  ['a grid of nothing', () => imageGrid([], { columns: 2 }), 'at least one image'],
  ['a grid of no columns', () => imageGrid([image], { columns: 0 }), '0 was found'],
  ['a tensor of too few values', () => float32([3], new Float32Array(2)), 'needs 3 values, found 2'],
  ['a tensor of a list', () => float32([2], [1, 2] as unknown as Float32Array), 'Float32Array'],
  ['whole numbers of floats', () => int32([2], new Float32Array(2) as unknown as Int32Array), 'Int32Array'],
  ['the floats of whole numbers', () => library.floats(int32([1], new Int32Array(1))), 'one of int32'],
  ['rows of no width', () => rowsOf(0, new Float32Array(0)), 'no rows of 0'],
  ['rows that are not whole', () => rowsOf(3, new Float32Array(4)), '4 numbers are no rows of 3'],
  ['features of two widths', () => library.precisionRecall(rows(2, 4), rows(3, 4)), 'cannot be compared'],
  ['a training of no steps', taught({ steps: 0 }), '`steps` must be'],
  ['a training of half a seed', taught({ seed: 1.5 }), '`seed` must be'],
  ['a training with a wrong word', taught({ stepz: 5 }), 'no option `stepz`'],
  ['a training without images', () => train(sizes, [], { steps: 1 }), 'no images'],
  [
    'a training of a wrong label',
    () => train(sizes, [{ ...image, label: 2 }], { steps: 1 }),
    'label of image 0',
  ],
  ['images of no shape', () => library.toImages(float32([2], new Float32Array(2))), '[2] was found'],
  ['an engine on no device', () => library.startEngine({ device: 'tpu' as 'cpu' }), 'tpu'],
  ['a session of fewer than no threads', () => library.openSession({ threads: -1 }), 'threads'],
  ['no models', () => library.sampleSde([], { labels: [0] }), 'model'],
])('%s is an error with a code', async (_, use, message) => {
  const error: unknown = await Promise.resolve()
    .then(use)
    .then(
      () => 'nothing was wrong',
      (reason: unknown) => reason,
    );
  expect(error).toBeInstanceOf(library.UserError);
  expect((error as library.UserError).message).toContain(message);
  expect((error as library.UserError).code).toMatch(/^[a-z-]+$/);
});

it('says of a pipeline that is not there where it was looked for', async () => {
  const loaded = await library.loadPipeline(join(folder, 'none.yaml'));
  expect(loaded.ok ? '' : library.formatDiagnostics(loaded.diagnostics)).toContain('none.yaml');
});
