import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { abortable, everyMs, fromWork } from '../../base/streams.js';
import { LatentWriter } from '../../data/latents/writer.js';
import type { DrawConfig } from '../../generated/index.js';
import { sitParameters } from '../../models/sit/config.js';
import { isProgress } from '../../runner/stage.js';
import type { StageContext, StageEvent, StageProgress, StageWorkers } from '../../runner/stage.js';
import { floats } from '../../tensorflow/data-types.js';
import { readWeights } from '../../weights/saved-autoencoder.js';
import { readSavedModel } from '../../weights/saved-files.js';
import { onEngine, sharedOut, shareOf } from '../shared/engine.js';
import { denormalized, drawLatents } from '../train/draw.js';
import { requireGuidable } from '../shared/guidance.js';

const progressEveryMs = 100;
/** Latents in a file. */
const shardSize = 1024;

/** Draws latents from a model, and stores them as encoded images are: each is all that its posterior has. */
export function run(config: DrawConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    sharedOut(
      context,
      (worker) => drawPart(config, context, worker),
      () => drawPart(config, context),
    ).pipe(everyMs(progressEveryMs, isProgress), abortable<StageEvent>(context.signal)),
  );
}

/** Draws what is missing of a worker's share; or of all, and then writes what belongs to the whole. */
function drawPart(config: DrawConfig, context: StageContext, worker?: StageWorkers): Observable<StageEvent> {
  return fromWork<StageEvent>(async (tell, signal) => {
    const { count, batch, steps, timeShift } = config;
    const { directory, runtime, seed } = context;
    const place = context.input(config.model).directory;
    const saved = await readSavedModel(place);
    const { config: model, classes, normalization } = saved;
    if (config.guidanceScale !== 1) requireGuidable(config.model, saved);
    const all = Math.ceil(count / batch);
    const share = worker === undefined ? { first: 0, end: all } : shareOf(all, worker);
    const shape = [model.latentSize, model.latentSize, model.channels] as const;
    const writer = await LatentWriter.open(
      directory,
      { shape, dtype: config.dtype, classes, shardSize },
      worker && { first: share.first * batch, end: Math.min(share.end * batch, count) },
    );
    const samplesOf = (number: number) =>
      Array.from({ length: Math.min(batch, count - number * batch) }, (_, i) => number * batch + i);
    const batches = Array.from({ length: share.end - share.first }, (_, i) => share.first + i).filter(
      (number) => !samplesOf(number).every((sample) => writer.has(sample)),
    );
    const progress = (done: number): StageProgress => ({
      type: 'progress',
      done: Math.min(count, (count * done) / (share.end - share.first)),
      total: count,
      unit: 'latents',
    });
    let done = share.end - share.first - batches.length;
    const labels = Int32Array.from({ length: count }, (_, i) => i % classes.length);
    const latents = drawLatents(
      batches.length === 0 ? {} : await readWeights(join(place, saved.weights.ema), sitParameters(model)),
      {
        ...{
          model,
          transport: saved,
          seed,
          stream: 'drawn latents',
          labels,
          steps,
          timeShift,
          batch,
          batches,
        },
        guidance: { scale: config.guidanceScale, channels: config.guidanceChannels },
      },
      runtime,
      signal,
    );
    const std = new Float32Array(shape[0] * shape[1] * shape[2]);
    for (const number of batches) {
      const drawn = denormalized(floats((await latents.next()).value!), normalization);
      for (const [row, sample] of samplesOf(number).entries()) {
        if (writer.has(sample)) continue;
        const mean = drawn.subarray(row * std.length, (row + 1) * std.length);
        await writer.append(sample, { mean, std, label: labels[sample]! });
      }
      done++;
      tell({ ...progress(done), done: Math.floor(progress(done).done) });
    }
    await latents.return();
    if (worker !== undefined) return writer.endShare();
    const { statistics } = await writer.finish(normalization);
    tell({
      type: 'summary',
      values: { latents: count, shape, classes, ...statistics, guidanceScale: config.guidanceScale },
    });
  });
}
