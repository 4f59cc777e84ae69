import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { centreCrop } from '../../../src/data/images/crop.js';
import { box, halve, resample } from '../../../src/data/images/resample.js';
import { openSafetensors, type SafetensorsFile } from '../../../src/formats/safetensors/reader.js';

describe('the ADM centre crop', () => {
  let fixture: SafetensorsFile;
  beforeAll(async () => {
    fixture = await openSafetensors(
      new URL('../../fixtures/center_crop.safetensors', import.meta.url).pathname,
    );
  });
  afterAll(() => fixture.close());

  it.each([0, 1, 2, 3])('equals Pillow in every bit for image %i', async (i) => {
    const { size } = JSON.parse(fixture.metadata.spec!) as { size: number };
    const { shape, data } = await fixture.read(`in${i}`);
    const [height, width] = shape as [number, number, number];
    const cropped = centreCrop({ width, height, data: data as Uint8Array }, size);
    expect(cropped).toEqual((await fixture.read(`out${i}`)).data);
  });

  it('takes the middle of an image whose short side has the size', () => {
    const data = Uint8Array.from({ length: 2 * 5 * 3 }, (_, i) => i);
    const row = [3, 4, 5, 6, 7, 8];
    expect([...centreCrop({ width: 5, height: 2, data }, 2)]).toEqual([
      ...row,
      ...row.map((value) => value + 15),
    ]);
  });

  it.each([
    [40, 30],
    [12, 26],
    [10, 40],
    [7, 12],
    [12, 7],
  ])('halves %i by %i pixels as the box filter does', (width, height) => {
    const noise = Uint8Array.from(
      { length: width * height * 3 },
      (_, i) => Math.imul(i + 1, 2654435761) >>> 24,
    );
    const image = { width, height, data: noise };
    const half = halve(image);
    expect(half).toEqual(resample(image, { width: width >> 1, height: height >> 1 }, box));
    expect(new Set(half.data).size).toBeGreaterThan(20);
  });

  it('keeps an even colour, larger or smaller', () => {
    for (const side of [3, 8, 9, 16, 100]) {
      const data = new Uint8Array(side * side * 3).fill(137);
      expect(centreCrop({ width: side, height: side, data }, 8)).toEqual(new Uint8Array(8 * 8 * 3).fill(137));
    }
  });
});
