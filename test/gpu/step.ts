import { existsSync, readFileSync } from 'node:fs';
import {
  engineNotices,
  type GpuMemory,
  gpuMemory,
  nativeBackend,
  recordSteps,
  type RuntimeOptions,
} from '../../src/tensorflow/index.js';
import { gpuDrawingMemory, gpuTrainingMemory } from '../../src/models/sit/gpu-memory.js';
import { sitCost } from '../../src/models/sit/cost.js';
import { namedModel } from '../../tools/bench/model.js';
import { forward, trainStep } from '../../tools/bench/workload.js';

/** What `step.ts` is told: the work of a SiT-S/2. */
export interface Asked {
  readonly work: 'forward' | 'trainStep';
  readonly runtime: RuntimeOptions;
  /** Blocks; those of the model by default. */
  readonly depth?: number;
  readonly batch: number;
  readonly recompute?: boolean;
  readonly accumulate?: number;
  /** Model's name; SiT-S/2 by default. */
  readonly name?: string;
  /** 64 by default. */
  readonly mediators?: number;
  /** 32 by default. */
  readonly latentSize?: number;
}

/** What it tells: what the third run launched, recorded and copied. */
export interface Counted {
  readonly devices: string;
  /** Seconds from the start of the process to the end of the first run. */
  readonly firstRun: number;
  /** Launches by kernel. */
  readonly launches: Readonly<Record<string, number>>;
  /** What all three runs wrote into CUDA graphs, by kernel. */
  readonly recorded: Readonly<Record<string, number>>;
  /** Bytes copied, by the way. */
  readonly copied: Readonly<Record<string, number>>;
  /** Bytes of the batch. */
  readonly batchBytes: number;
  /** Operations that ran on the processor, by kind. */
  readonly onProcessor: readonly string[];
  /** What the engine says of how programs run. */
  readonly notices: readonly string[];
  /** What the model's weights take, and the GPU's memory after three runs. */
  readonly weightBytes: number;
  readonly memory: GpuMemory | undefined;
  /** Expected peak of it. */
  readonly expected: number;
}

const {
  work,
  runtime,
  depth,
  batch,
  recompute = false,
  accumulate = 1,
  name = 'SiT-S/2',
  mediators = 64,
  latentSize = 32,
} = JSON.parse(process.argv[2]!) as Asked;
const whole = namedModel(name, mediators, latentSize);
const model =
  depth === undefined ? whole : { ...whole, depth, mediators: new Array<number>(depth).fill(mediators) };
const notices: string[] = [];
engineNotices.subscribe((notice) => notices.push(notice));
const step = await { forward, trainStep }[work]({ model, batch, runtime, recompute, accumulate });

const log = `${process.env.FAKE_GPU_LOG!}.${process.pid}`;
const lines = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n') : ['']);
await step.run();
const firstRun = process.uptime();
await step.run();
const before = lines().length - 1;
await step.run();
const counted = { launch: {}, copy: {}, record: {} } as Record<string, Record<string, number>>;
for (const [i, line] of lines().entries()) {
  const [what, name, bytes] = line.split(' ');
  const counts = i >= before || what === 'record' ? counted[what!] : undefined;
  if (counts !== undefined) counts[name!] = (counts[name!] ?? 0) + (what === 'copy' ? Number(bytes) : 1);
}
const memory = gpuMemory();
const recording = recordSteps(1);
for (let i = 0; i < 3; i++) await step.run();
const [stats] = await recording.done;
const onProcessor = stats!.filter(({ device }) => /cpu:\d+$/i.test(device)).map(({ operation }) => operation);
// Mean and standard deviation of the latents, and a class each; keys and scalars come in besides.
const images = work === 'trainStep' ? 2 : 1;
const way = { compiled: runtime.xla !== false, halves: runtime.precision === 'bfloat16' };
const once = { batch: batch / accumulate, averages: 1, recompute };
const asSampled = { models: [{ model }], batch, guided: false, gradients: false, features: 0 };
const told: Counted = {
  devices: nativeBackend().devices.join(),
  firstRun,
  launches: counted.launch!,
  recorded: counted.record!,
  copied: counted.copy!,
  batchBytes: 4 * batch * (images * model.latentSize ** 2 * model.channels + 1),
  weightBytes: 4 * sitCost(model).parameters,
  memory,
  expected:
    work === 'trainStep'
      ? gpuTrainingMemory(model, { ...once, accumulates: accumulate > 1, exchanges: false }, way)
      : gpuDrawingMemory(asSampled, way),
  onProcessor: [...new Set(onProcessor)].sort(),
  notices,
};
process.stdout.write(JSON.stringify(told));
process.exit(0);
