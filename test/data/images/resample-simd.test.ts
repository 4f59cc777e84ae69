import { readFile } from 'node:fs/promises';
import wabt from 'wabt';
import { describe, expect, it } from 'vitest';
import {
  bicubic,
  box,
  resample,
  resampleSlowly,
  resampleWeights,
  sourceRange,
} from '../../../src/data/images/resample.js';
import { machineCode } from '../../../src/data/images/resample-code.js';
import { type Passes, resampleFast } from '../../../src/data/images/resample-simd.js';

const noise = (length: number) =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i ^ (i >>> 3), 2654435761) >>> 24 > 90 ? 255 : i & 255));

function fast(passes: Passes): Buffer | undefined {
  const out = Buffer.alloc(passes.columns.starts.length * passes.rows.starts.length * 3);
  return resampleFast(passes, out) ? out : undefined;
}

/** The same with only those columns of the image that the weights name. */
function stripOf(passes: Passes): Passes {
  const { data, width, height } = passes;
  const [first, end] = sourceRange(passes.columns);
  const row = (end - first) * 3;
  const strip = new Uint8Array(height * row);
  for (let y = 0; y < height; y++)
    strip.set(data.subarray((y * width + first) * 3, (y * width + end) * 3), y * row);
  return { ...passes, data: strip, width: end - first, firstColumn: first };
}

describe('resampling with SIMD instructions', () => {
  it.each([
    [500, 375, 341, 256, 42, 0, 256, 256],
    [375, 500, 256, 341, 0, 42, 256, 256],
    [33, 200, 20, 21, 3, 5, 7, 11],
    [5, 4, 40, 31, 0, 0, 40, 31],
    [7, 9, 3, 4, 0, 0, 3, 4],
    [300, 90, 100, 30, 33, 0, 31, 30],
    [17, 1, 1, 1, 0, 0, 1, 1],
  ])(
    'of %i by %i to %i by %i pixels equals that without',
    (width, height, toWidth, toHeight, left, top, w, h) => {
      for (const filter of [bicubic, box])
        for (const isRowsFirst of [false, true]) {
          const columns = resampleWeights(width, toWidth, filter, left, w);
          const rows = resampleWeights(height, toHeight, filter, top, h);
          const firstRow = rows.starts[0]!;
          const image = { width, height: height - firstRow, data: noise((height - firstRow) * width * 3) };
          const passes = { ...image, columns, rows, firstColumn: 0, firstRow, isRowsFirst };
          const slow = resampleSlowly(passes).data;
          expect(fast(passes)!.equals(slow)).toBe(true);
          const strip = stripOf(passes);
          expect(fast(strip)!.equals(slow)).toBe(true);
          expect(Buffer.from(resampleSlowly(strip).data).equals(slow)).toBe(true);
        }
    },
  );

  it('leaves images to the other that would keep much memory', () => {
    const columns = resampleWeights(4001, 2000, box);
    const image = { width: 4001, height: 3001, data: new Uint8Array(4001 * 3001 * 3) };
    const passes = {
      ...image,
      columns,
      rows: resampleWeights(3001, 1500, box),
      firstColumn: 0,
      firstRow: 0,
      isRowsFirst: false,
    };
    expect(fast(passes)).toBeUndefined();
  });

  it('leaves those to the other whose pixels are made of so many that their sums would overflow', () => {
    const columns = resampleWeights(700, 2, box);
    expect(columns.stride).toBeGreaterThan(256);
    const rows = resampleWeights(2, 1, box);
    const white = { width: 700, height: 2, data: new Uint8Array(700 * 2 * 3).fill(255) };
    expect(
      fast({ ...white, columns, rows, firstColumn: 0, firstRow: 0, isRowsFirst: false }),
    ).toBeUndefined();
    expect(resample(white, { width: 2, height: 1 }, box).data).toEqual(new Uint8Array(6).fill(255));
    const most = { width: 253, height: 2, data: new Uint8Array(253 * 2 * 3).fill(255) };
    const ofMost = fast({
      ...most,
      columns: resampleWeights(253, 1, box),
      rows,
      firstColumn: 0,
      firstRow: 0,
      isRowsFirst: false,
    });
    expect(ofMost).toEqual(Buffer.alloc(3, 255));
  });

  it('has the machine code of its source', async () => {
    const source = await readFile(new URL('../../../src/data/images/resample.wat', import.meta.url), 'utf8');
    const module = (await wabt()).parseWat('resample.wat', source, { simd: true });
    expect(Buffer.from(module.toBinary({}).buffer).toString('base64')).toBe(machineCode);
  });
});
