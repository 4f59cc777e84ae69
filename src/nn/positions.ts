// Numbers alone: planning and checkpoints of other programs need them, and no tensors.

const maxPeriod = 10_000;

/**
 * Fixed two-dimensional sine-cosine position embedding of a square grid, as [grid², size] values: the first half of
 * the channels encodes the column, the second the row. `size` is a multiple of 4.
 * Source: He et al., arXiv 2111.06377.
 */
export function positionEmbedding(size: number, grid: number): Float32Array {
  const quarter = size / 4;
  const values = new Float32Array(grid * grid * size);
  for (let row = 0; row < grid; row++)
    for (let column = 0; column < grid; column++) {
      const start = (row * grid + column) * size;
      for (let i = 0; i < quarter; i++) {
        const frequency = 1 / maxPeriod ** (i / quarter);
        values[start + i] = Math.sin(column * frequency);
        values[start + quarter + i] = Math.cos(column * frequency);
        values[start + 2 * quarter + i] = Math.sin(row * frequency);
        values[start + 3 * quarter + i] = Math.cos(row * frequency);
      }
    }
  return values;
}

/** Angles of half of `size` channels, by which a place along an axis is rotated: two neighbours have the same. */
export function rotaryAngles(place: number, size: number): number[] {
  const half = size / 2;
  return Array.from({ length: half }, (_, i) => place / maxPeriod ** ((2 * Math.floor(i / 2)) / half));
}
