import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  float32,
  type LabelledImage,
  prepareImage,
  sampleOde,
  SiT,
  toImages,
  train,
  type UserError,
} from '../../src/index.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const sizes = { hiddenSize: 32, depth: 2, heads: 2, patchSize: 2, mediators: 4 } as const;
const model = { ...sizes, latentSize: 8, classes: 2, labelDropout: 0 };

/** Black images of class 0 and white ones of class 1. */
const images: readonly LabelledImage[] = Array.from({ length: 8 }, (_, i) => ({
  ...{ width: 8, height: 8, label: i % 2 },
  data: new Uint8Array(8 * 8 * 3).fill(i % 2 === 0 ? 0 : 255),
}));

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing',
    (error: unknown) => `${(error as UserError).code}: ${(error as UserError).message}`,
  );

describe('train', () => {
  it(
    'learns images in memory, by their classes, the same from the same seed',
    { timeout: 120_000 },
    async () => {
      const losses: number[] = [];
      const options = { steps: 150, batch: 8, learningRate: 3e-3, runtime: { threads: 1 } };
      const trained = await train(model, images, {
        ...options,
        classes: ['black', 'white'],
        onStep: (_, loss) => losses.push(loss),
      });
      expect(losses).toHaveLength(150);
      expect(trained.classes).toEqual(['black', 'white']);
      const { latents } = await sampleOde(trained, { labels: [0, 1], steps: 10 });
      const [black, white] = toImages(latents).map(
        ({ data }) => data.reduce((sum, value) => sum + value, 0) / 192,
      );
      // Halfway between black and white is 127.5.
      expect(black).toBeLessThan(64);
      expect(white).toBeGreaterThan(192);
      await trained.close();
      const again = await train(model, images, { ...options, steps: 3 });
      const third = await train(model, images, { ...options, steps: 3 });
      for await (const [name, value] of again.readWeights()) {
        for await (const [other, same] of third.readWeights())
          if (other === name) expect(same.data).toEqual(value.data);
        break;
      }
      await Promise.all([again.close(), third.close()]);
    },
  );

  it('refuses what cannot be trained on, with a code', async () => {
    expect(await codeOf(train(model, [], { steps: 1 }))).toContain(
      'training-options: Nothing can be trained: there are no images.',
    );
    expect(await codeOf(train({ ...model, latentSize: 4 }, images, { steps: 1 }))).toContain('4 × 4 pixels');
    expect(await codeOf(train({ ...model, classes: 1 }, images, { steps: 1 }))).toContain(
      'the label of image 1',
    );
    expect(await codeOf(train({ ...model, channels: 4 }, images, { steps: 1 }))).toContain(
      '`channels` must be 3',
    );
    expect(await codeOf(train(model, images, { steps: 0 }))).toContain('`steps` must be');
    expect(await codeOf(train({ ...model, mediators: 5 }, images, { steps: 1 }))).toContain('model-options');
    const signal = AbortSignal.abort();
    await expect(train(model, images, { steps: 1, signal })).rejects.toThrow('abort');
  });
});

describe('images', () => {
  it('are prepared as the images stage prepares them, from a file and from its bytes', async () => {
    const folder = await temporaryFolder('prepare');
    const file = join(folder, 'a.png');
    const png = await sharp({ create: { width: 30, height: 20, channels: 3, background: '#ff8000' } })
      .png()
      .toBuffer();
    await writeFile(file, png);
    const image = await prepareImage(file, 8);
    expect([image.width, image.height, image.data.length]).toEqual([8, 8, 192]);
    expect([...image.data.subarray(0, 3)]).toEqual([255, 128, 0]);
    expect(await prepareImage(png, 8)).toEqual(image);
    expect(await codeOf(prepareImage(join(folder, 'none.png'), 8))).toMatch(/^file-missing|^input-missing/);
    expect(await codeOf(prepareImage(Buffer.from('text'), 8))).toContain('image-unreadable');
    expect(await codeOf(prepareImage(file, 0))).toContain('`size` must be');
  });

  it('come from pixels, and from nothing else', () => {
    const [image] = toImages(float32([1, 1, 2, 3], Float32Array.of(-1, 0, 1, 2, -2, 0)));
    expect(image).toMatchObject({ width: 2, height: 1 });
    expect([...image!.data]).toEqual([0, 128, 255, 255, 0, 128]);
    expect(() => toImages(float32([1, 2, 2, 4], new Float32Array(16)))).toThrow(
      '[samples, height, width, 3]',
    );
  });
});

it('knows the names of models when it compiles', () => {
  SiT.configOf({ name: 'SiT-S/2', latentSize: 32, classes: 10, mediators: 4 });
  // @ts-expect-error There is no such model.
  expect(() => SiT.configOf({ name: 'SiT-S/3', latentSize: 32, classes: 10, mediators: 4 })).toThrow();
});
