import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { writeFileWhole } from '../../base/output-file.js';
import { abortable, everyMs, fromWork } from '../../base/streams.js';
import type { AttentionConfig } from '../../generated/index.js';
import { gridOf, type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { examineAttention, examinedBlocks, rowStride } from '../../models/sit/examine.js';
import { openSitSession } from '../../models/sit/sit.js';
import { isProgress, type StageContext, type StageEvent } from '../../runner/stage.js';
import { float32, floats, int32, joinedRows } from '../../tensorflow/data-types.js';
import { compile, randomNormal, streamKey } from '../../tensorflow/index.js';
import type { HostTensor, RuntimeOptions, Tensor1D, Tensor4D, Tensors } from '../../tensorflow/index.js';
import { interpolate, transportOf } from '../../transport/index.js';
import { loadWeights, readWeights } from '../../weights/saved-autoencoder.js';
import { readSavedModel, type SavedModel } from '../../weights/saved-files.js';
import { onEngine } from '../shared/engine.js';
import { collect, drawLatents, spreadLabels } from '../train/draw.js';
import { usefulCounts } from './facts.js';
import { proposalFor, proposals } from './proposal.js';
import { type Attention, attentionName } from './record.js';

const progressEveryMs = 100;
/** Samples that are drawn at once. */
export const drawnAtOnce = 32;
/** Numbers of mixtures of two rows that are held at once, at most: they decide how many samples are measured at once. */
const mixturesAtOnce = 2 ** 24;

/** Measures a model's attention, block by block and time by time, and proposes mediators. */
export function run(config: AttentionConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    fromWork<StageEvent>(async (tell, signal) => {
      const found = await measure(config, context, signal, (done, total) => {
        tell({ type: 'progress', done, total, unit: 'passes' });
      });
      await writeFileWhole(
        join(context.directory, attentionName),
        `${JSON.stringify(found, undefined, 1)}\n`,
      );
      const { proposal, blocks, samples } = found;
      const all = blocks.flatMap(({ divergence }) => divergence);
      const { saving } = config;
      if (saving !== undefined && proposal.saved < saving)
        tell({
          type: 'notice',
          level: 'warning',
          message: `These counts save ${percent(proposal.saved)} at most, not ${percent(saving)}.`,
        });
      tell({
        type: 'notice',
        level: 'info',
        message: `Proposes \`mediators: [${proposal.mediators.join(', ')}]\`, which saves ${percent(proposal.saved)} of the multiply-accumulates.`,
      });
      tell({
        type: 'summary',
        values: {
          samples,
          divergence: all.reduce((sum, value) => sum + value / all.length, 0),
          mediators: proposal.mediators,
          savedFraction: proposal.saved,
          moved: proposal.moved,
        },
      });
    }).pipe(everyMs(progressEveryMs, isProgress), abortable<StageEvent>(context.signal)),
  );
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

async function measure(
  config: AttentionConfig,
  context: StageContext,
  signal: AbortSignal,
  tell: (done: number, total: number) => void,
): Promise<Attention> {
  const { runtime, seed } = context;
  const place = context.input(config.model).directory;
  const saved = await readSavedModel(place);
  const model = saved.config;
  const counts = usefulCounts(config, model);
  const times = Array.from({ length: config.times }, (_, i) => (i + 0.5) / config.times);
  const path = join(place, saved.weights.ema);
  const labels = spreadLabels(config.count, saved.classes.length);
  const drawn = await collect(
    drawLatents(
      await readWeights(path, sitParameters(model)),
      {
        ...{ model, transport: saved, seed, labels, steps: config.steps, batch: drawnAtOnce },
        timeShift: config.timeShift,
        ...{ stream: 'attention sample', guidance: { scale: 1, channels: 'all' } },
      },
      runtime,
      signal,
    ),
  );
  const sums = await passes({ saved, path, counts, times, drawn, labels, seed, runtime, signal, tell });
  const blocks = examinedBlocks(model).map((block, i) => ({
    block,
    divergence: sums.map(({ divergence }) => divergence[i]! / config.count),
    moved: counts.map((_, k) =>
      sums.map(({ output, moved }) => Math.sqrt(moved[i * counts.length + k]! / output[i]!)),
    ),
  }));
  const overTimes = blocks.map(({ moved }) =>
    moved.map((at) => Math.sqrt(at.reduce((sum, value) => sum + value ** 2 / at.length, 0))),
  );
  const frontier = proposals(model, counts, overTimes);
  const tokens = gridOf(model) ** 2;
  return {
    model: config.model,
    samples: config.count,
    tokens,
    rows: tokens / rowStride(tokens),
    ...{ times, counts, blocks, frontier },
    proposal: proposalFor(frontier, config.saving),
  };
}

interface Measurement {
  readonly saved: SavedModel;
  /** File of the model's weights. */
  readonly path: string;
  readonly counts: readonly number[];
  readonly times: readonly number[];
  /** Batches of samples. */
  readonly drawn: readonly HostTensor[];
  readonly labels: Int32Array;
  readonly seed: number;
  readonly runtime: RuntimeOptions;
  readonly signal: AbortSignal;
  readonly tell: (done: number, total: number) => void;
}

type Sums = Readonly<Record<'divergence' | 'output' | 'moved', Float64Array>>;

/** Sums over the samples at each time. */
async function passes(given: Measurement): Promise<Sums[]> {
  const { saved, counts, times, labels, signal, tell } = given;
  const { config: model } = saved;
  const session = openSitSession({ ...given.runtime, precision: 'float32' });
  try {
    const weights = await loadWeights(session, sitParameters(model), given.path);
    const examine = compile(examination(saved, counts), { session, weights });
    const key = streamKey(given.seed, 'attention noise');
    const all = floats(joinedRows(given.drawn));
    const batch = batchOf(model, labels.length);
    const sums: Sums[] = [];
    for (const [i, time] of times.entries()) {
      const total = {
        divergence: new Float64Array(examinedBlocks(model).length),
        output: new Float64Array(examinedBlocks(model).length),
        moved: new Float64Array(examinedBlocks(model).length * counts.length),
      };
      for (let first = 0; first < labels.length; first += batch) {
        signal.throwIfAborted();
        const y = labels.slice(first, first + batch);
        const size = all.length / labels.length;
        const found = await examine.call({
          data: float32(
            [y.length, model.latentSize, model.latentSize, model.channels],
            all.slice(first * size, (first + y.length) * size),
          ),
          t: float32([y.length], new Float32Array(y.length).fill(time)),
          y: int32([y.length], y),
          key,
          first: int32([1], Int32Array.of(first)),
        });
        for (const name of ['divergence', 'output', 'moved'] as const)
          for (const [k, value] of floats(found[name]).entries()) total[name][k]! += value;
        tell(i * labels.length + first + y.length, times.length * labels.length);
      }
      sums.push(total);
    }
    return sums;
  } finally {
    await session.close();
  }
}

/** The program that measures a model at points of the path. */
export function examination(
  saved: Pick<SavedModel, 'config' | 'interpolant' | 'prediction'>,
  counts: readonly number[],
) {
  const { interpolant } = transportOf(saved);
  return ({ data, t, y, key, first }: Points, tensors: Tensors) => {
    const [batch, ...shape] = data.shape;
    const noise = randomNormal(key, first, batch, shape);
    const x = interpolate(interpolant, { data, noise, t }) as Tensor4D;
    return examineAttention(tensors, saved.config, { x, t, y }, counts);
  };
}

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
type Points = { data: Tensor4D; t: Tensor1D; y: Tensor1D; key: Tensor1D; first: Tensor1D };

/** Samples that are measured at once. */
export function batchOf(model: SiTConfig, samples: number): number {
  const tokens = gridOf(model) ** 2;
  const each = model.heads * (tokens / rowStride(tokens)) * tokens;
  return Math.max(1, Math.min(samples, Math.floor(mixturesAtOnce / each)));
}
