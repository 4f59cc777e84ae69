import { float32, floats, type HostTensor } from '../../tensorflow/data-types.js';

/** Division of a large image into parts: squares of the input at equal distances, whose results overlap. */
export interface TileGrid {
  /** Side of a tile, in pixels of the input. */
  readonly tile: number;
  /** Distance between the starts of two tiles, in pixels of the input. */
  readonly stride: number;
  /** Pixels of the result that a tile shares with the one before it, over which it fades in. */
  readonly blend: number;
  /** Pixels of the result that a tile adds. */
  readonly keep: number;
}

/** Part of a tile's side that overlaps. Source: diffusers' AutoencoderKL, `tile_overlap_factor`. */
const overlap = 0.25;

/** Tiles of `tile` latent pixels a side for decoding. */
export function decodingGrid(tile: number, downsample: number): TileGrid {
  return grid(tile, tile * downsample);
}

/** Tiles of the images whose latents have `tile` pixels a side, for encoding. */
export function encodingGrid(tile: number, downsample: number): TileGrid {
  return grid(tile * downsample, tile);
}

function grid(input: number, output: number): TileGrid {
  const blend = Math.floor(output * overlap);
  return { tile: input, stride: Math.floor(input * (1 - overlap)), blend, keep: output - blend };
}

/**
 * Computes an image in overlapping tiles. Each fades in linearly over the one above it and the one to its left.
 *
 * @param input [1, height, width, channels]
 * @param compute results of a part of the input: each [1, its height, its width, channels]
 * @returns the results of the whole
 * Source: diffusers' AutoencoderKL, `tiled_decode` and `_tiled_encode`.
 */
export async function computeTiled<Name extends string>(
  input: HostTensor,
  { tile, stride, blend, keep }: TileGrid,
  compute: (part: HostTensor) => Promise<Readonly<Record<Name, HostTensor>>>,
): Promise<Record<Name, HostTensor>> {
  const [, height, width] = input.shape as [number, number, number];
  const whole = new Map<Name, Canvas>();
  let above: Record<Name, HostTensor>[] = [];
  for (let y = 0; y < height; y += stride) {
    const row: Record<Name, HostTensor>[] = [];
    for (let x = 0; x < width; x += stride) {
      const size = [Math.min(tile, height - y), Math.min(tile, width - x)] as const;
      const results = { ...(await compute(crop(input, [y, x], size))) };
      const column = row.length;
      for (const name of Object.keys(results) as Name[]) {
        const result = results[name];
        if (y > 0) fadeIn(result, above[column]![name], blend, 1);
        if (x > 0) fadeIn(result, row[column - 1]![name], blend, 2);
        const perPixel = result.shape[1]! / size[0];
        const to = whole.get(name) ?? canvas(height * perPixel, width * perPixel, result.shape[3]!);
        whole.set(name, to);
        paste(to, result, [(y / stride) * keep, column * keep], keep);
      }
      row.push(results);
    }
    above = row;
  }
  return Object.fromEntries(Array.from(whole, ([name, part]) => [name, toTensor(part)])) as Record<
    Name,
    HostTensor
  >;
}

interface Canvas {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Float32Array;
}

function canvas(height: number, width: number, channels: number): Canvas {
  return { height, width, channels, data: new Float32Array(height * width * channels) };
}

const toTensor = ({ height, width, channels, data }: Canvas): HostTensor =>
  float32([1, height, width, channels], data);

function crop(
  input: HostTensor,
  [top, left]: readonly [number, number],
  [height, width]: readonly [number, number],
): HostTensor {
  const [, , fullWidth, channels] = input.shape as [number, number, number, number];
  const source = floats(input);
  const data = new Float32Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * fullWidth + left) * channels;
    data.set(source.subarray(from, from + width * channels), y * width * channels);
  }
  return float32([1, height, width, channels], data);
}

/** Fades a tile in, in place, over the end of the one before it along an axis: 1 is down, 2 is to the right. */
function fadeIn(tile: HostTensor, before: HostTensor, blend: number, axis: 1 | 2): void {
  const extent = Math.min(before.shape[axis]!, tile.shape[axis]!, blend);
  const [, height, width, channels] = tile.shape as [number, number, number, number];
  const [own, other] = [floats(tile), floats(before)];
  const [rows, columns] = axis === 1 ? [extent, width] : [height, extent];
  const otherWidth = before.shape[2]!;
  const [down, right] = axis === 1 ? [before.shape[1]! - extent, 0] : [0, otherWidth - extent];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const part = (axis === 1 ? y : x) / extent;
      const to = (y * width + x) * channels;
      const from = ((y + down) * otherWidth + x + right) * channels;
      for (let c = 0; c < channels; c++) own[to + c] = other[from + c]! * (1 - part) + own[to + c]! * part;
    }
}

/** Copies the first `keep` rows and columns of a tile to a place, as far as the canvas goes. */
function paste(to: Canvas, tile: HostTensor, [top, left]: readonly [number, number], keep: number): void {
  const [, tileHeight, tileWidth] = tile.shape as [number, number, number];
  const { channels } = to;
  const source = floats(tile);
  const height = Math.min(keep, tileHeight, to.height - top);
  const width = Math.min(keep, tileWidth, to.width - left);
  for (let y = 0; y < height; y++) {
    const from = y * tileWidth * channels;
    to.data.set(source.subarray(from, from + width * channels), ((top + y) * to.width + left) * channels);
  }
}
