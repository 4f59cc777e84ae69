import { nativeBackend } from '../../src/tensorflow/index.js';
import type { RuntimeOptions } from '../../src/tensorflow/runtime-options.js';
import { namedModel } from '../../tools/bench/model.js';
import { trainStep } from '../../tools/bench/workload.js';

/** Takes a training step of a small SiT with 64 mediators: `step.ts PRECISION`. Tells where it computes. */

const precision = process.argv[2] as RuntimeOptions['precision'] & string;
const model = { ...namedModel('SiT-S/2', 64, 32), depth: 2, mediators: [64, 64] };
const work = await trainStep({ model, batch: 4, runtime: { precision } });
await work.run();
process.stdout.write(`${nativeBackend().devices.join()}\n`);
process.exit(0);
