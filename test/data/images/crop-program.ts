import { crop, cropHere, withJpeg } from '../../../src/data/images/crop.js';
import { nativeInterface } from '../../../src/base/native-interface.js';
import { decodeBytes } from '../../../src/data/images/decode.js';
import { startEngine } from '../../../src/tensorflow/engine.js';
import sharp from 'sharp';

/** Crops the same large image on this thread and on others, a small one, and JPEG files; tells what came out as JSON. */

let threads = 0;
process.on('worker', () => threads++);

const imageOf = (width: number, height: number) => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 7) >> 5),
});
const small = { image: imageOf(80, 60), size: 32 };
await crop(small);
const threadsOfSmall = threads;

const image = imageOf(1250, 940);
const tasks = [
  { image, size: 256 },
  { image, size: 64 },
  { image, size: 256, numbers: [0.3, 0.5, 0.9] as const },
];
const found = await Promise.all(tasks.map(crop));
const equal = found.map((data, i) => Buffer.compare(data, cropHere(tasks[i]!)) === 0);

await startEngine({ device: 'cpu' });
const sizes = [
  [50, 37],
  [301, 200],
  [64, 64],
  [1400, 1100],
] as const;
const jpegs = await Promise.all(
  sizes.map(([width, height]) =>
    sharp(imageOf(width, height).data, { raw: { width, height, channels: 3 } })
      .jpeg()
      .toBuffer(),
  ),
);
const equalJpegs = await Promise.all(
  // Each is read several times at once, so that all threads decode together and use the memory of others' results again.
  [...jpegs, ...jpegs, ...jpegs].map(async (file) => {
    const whole = await decodeBytes(file, 'a.jpg', { background: '#ffffff' });
    const expected = cropHere({ image: whole, size: 32 });
    const isEqual = await withJpeg(file, { size: 32 }, (bytes) => Buffer.compare(bytes, expected) === 0);
    return isEqual?.value;
  }),
);
const refused = await withJpeg(jpegs[0]!.subarray(0, 400), { size: 32 }, () => true);
// A damaged file has the pixels that libvips gives it; its decoder would speak of it on stderr, as other C code here.
const damaged = Buffer.from(jpegs[1]!);
damaged[damaged.indexOf(Buffer.from([0xff, 0xda])) + 60]! ^= 0x5a;
const despite = cropHere({
  image: await decodeBytes(damaged, 'damaged.jpg', { background: '#ffffff' }),
  size: 32,
});
const readDamaged = () => withJpeg(damaged, { size: 32 }, (bytes) => Buffer.compare(bytes, despite) === 0);
const native = nativeInterface();
const libc = native.load('libc.so.6');
const put = libc.func('int fputs(const char*, void*)');
const stderr = native.decode(libc.symbol('stderr'), 'void*') as bigint;
put('before\n', stderr);
const readDespite = [(await readDamaged())?.value];
const reading = [readDamaged(), readDamaged()];
put('meanwhile\n', stderr);
readDespite.push(...(await Promise.all(reading)).map((read) => read?.value));
put('after\n', stderr);
process.stdout.write(
  JSON.stringify({
    readDespite,
    equal,
    threadsOfSmall,
    hasThreads: threads > 0,
    equalJpegs,
    refused: refused === undefined,
  }),
);
