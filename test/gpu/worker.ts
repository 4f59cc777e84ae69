import { nativeBackend, WorkerServer } from '../../src/tensorflow/index.js';
import { namedModel } from '../../tools/bench/model.js';
import { trainStep } from '../../tools/bench/workload.js';

/** Takes steps of a training with others: `worker.ts STEPS RANK ADDRESS…`. Tells where it computes. */

const [steps, rank, ...addresses] = process.argv.slice(2);
const model = { ...namedModel('SiT-S/2', 64, 32), depth: 2, mediators: [64, 64] };
const server = new WorkerServer({ rank: Number(rank), addresses }, {});
const work = await trainStep({ model, batch: 4, runtime: {}, server });
for (let step = 0; step < Number(steps); step++) await work.run();
process.stdout.write(`${nativeBackend().devices.join()}\n`);
process.exit(0);
