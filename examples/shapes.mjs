import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writePng } from 'mediator-sit';

/**
 * Draws small images to train on, in folders of four classes: disks, hearts, rings and stars of all colours.
 *
 *   node examples/shapes.mjs [FOLDER] [COUNT]    150 of each class, into `shapes`
 */

const [folder = 'shapes', count = '150'] = process.argv.slice(2);
const size = 32;
/** Samples of a pixel's width and of its height, whose mean makes smooth edges. */
const samples = 4;

/** @type {Record<string, (x: number, y: number) => boolean>} True for points of a shape of radius 1 about 0. */
const shapes = {
  disk: (x, y) => Math.hypot(x, y) < 0.9,
  heart: (x, y) => x ** 2 + (y + 0.1 - 0.6 * Math.sqrt(Math.abs(x))) ** 2 < 0.55,
  ring: (x, y) => Math.abs(Math.hypot(x, y) - 0.7) < 0.25,
  star: (x, y) => {
    // The outline goes from a tip, at radius 1, to a notch at 0.42, ten times around.
    const around = Math.abs((((Math.atan2(x, y) / Math.PI) * 5 + 10) % 2) - 1);
    return Math.hypot(x, y) < 0.42 + 0.58 * around ** 1.6;
  },
};

/** Numbers in [0, 1) that look random and are the same in every call of the program. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** A bright colour of a hue in [0, 1), as three parts in [0, 1]. */
const colour = (hue) =>
  [0, 2, 4].map(
    (shift) => 0.15 + 0.8 * (1 - Math.max(0, Math.min(1, 2 - Math.abs(((6 * hue + shift) % 6) - 3)))),
  );

/** A shape of some place, radius and colour on white. */
function drawing(isInside, next) {
  const radius = size * (0.28 + 0.14 * next());
  const [left, top] = [0, 0].map(() => size / 2 + (next() - 0.5) * (size - 2 * radius - 2));
  const paint = colour(next());
  const data = new Uint8Array(size * size * 3);
  for (let pixel = 0; pixel < size * size; pixel++) {
    let covered = 0;
    for (let i = 0; i < samples ** 2; i++) {
      const x = (pixel % size) + ((i % samples) + 0.5) / samples;
      const y = Math.floor(pixel / size) + (Math.floor(i / samples) + 0.5) / samples;
      if (isInside((x - left) / radius, (top - y) / radius)) covered += 1 / samples ** 2;
    }
    paint.forEach((part, channel) => {
      data[3 * pixel + channel] = Math.round(255 * (1 - covered * (1 - part)));
    });
  }
  return { width: size, height: size, data };
}

for (const [label, [name, isInside]] of Object.entries(shapes).entries()) {
  await mkdir(join(folder, name), { recursive: true });
  const next = random(label + 1);
  for (let i = 0; i < Number(count); i++)
    await writePng(join(folder, name, `${String(i).padStart(3, '0')}.png`), drawing(isInside, next));
}
console.log(`${folder}: ${count} images of each class: ${Object.keys(shapes).join(', ')}`);
