import { crop, cropHere } from '../../../src/data/images/crop.js';

/** Crops the same large image on this thread and on others, and a small one; tells what came out as JSON. */

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
process.stdout.write(JSON.stringify({ equal, threadsOfSmall, hasThreads: threads > 0 }));
