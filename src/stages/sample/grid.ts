import { join } from 'node:path';
import { type RgbImage, imageGrid, writePng } from '../../data/images/index.js';
import type { SampleFiles } from './sample-files.js';

/** Columns of the grid: samples of one class that are shown beside each other. */
const columns = 9;
/** Rows at most: of more classes an even choice is shown. */
const mostRows = 40;
/** Pictures smaller than this are enlarged. */
const tilePixels = 64;

/** Writes `grid.png`, with a row a class. */
export async function writeGrid(
  directory: string,
  files: SampleFiles,
  labels: Int32Array,
  size: number,
): Promise<void> {
  const blank: RgbImage = { width: size, height: size, data: new Uint8Array(size * size * 3).fill(255) };
  const byClass = new Map<number, number[]>();
  for (const [sample, label] of labels.entries()) {
    const members = byClass.get(label);
    if (members === undefined) byClass.set(label, [sample]);
    else if (members.length < columns) members.push(sample);
  }
  const classes = [...byClass].sort(([a], [b]) => a - b).map(([, members]) => members);
  const rows = Math.min(classes.length, mostRows);
  const tiles: RgbImage[] = [];
  for (let row = 0; row < rows; row++) {
    const members = classes[Math.floor((row * classes.length) / rows)]!;
    for (let i = 0; i < columns; i++) tiles.push(i < members.length ? await files.read(members[i]!) : blank);
  }
  const scale = Math.max(1, Math.floor(tilePixels / size));
  await writePng(join(directory, 'grid.png'), imageGrid(tiles, { columns, scale }));
}
