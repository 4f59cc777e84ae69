import { expect, it } from 'vitest';
import { cropped, gridColumns, gridTile, imageGrid } from '../../../src/data/images/png.js';

it.each([1, 2, 5, 9, 37])('gives the pictures of a grid of %d back', (count) => {
  const pictures = Array.from({ length: count }, (_, picture) => ({
    ...{ width: 3, height: 3 },
    data: Uint8Array.from({ length: 27 }, (__, i) => (picture * 27 + i) % 251),
  }));
  const columns = gridColumns(count);
  const grid = imageGrid(pictures, { columns });
  const places = pictures.map((_, i) => gridTile(grid.width, columns, i));
  expect(places.map((place) => cropped(grid, place))).toEqual(pictures);
});
