import type { DrawConfig } from '../../generated/index.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import { type RuntimeConfig, type StageRate, untoldBefore, type UntoldTime } from '../../runner/stage.js';
import type { Guidance } from '../../sampling/index.js';
import { startEngine } from '../../tensorflow/index.js';
import { plannedModel, type Resolve } from '../shared/planned.js';
import { madeUpValues, type MeasuredRate, measuredOperations, measureWork } from '../shared/rate.js';
import { drawLatents } from '../train/draw.js';

/** Points of the time grid of the paths that are followed to measure it. */
const measuredPoints = 3;
/** Batches to draw: more than are measured. */
const batches = 16;

/** Measures a few steps of drawing latents, with weights that are made up. */
export async function measureDraw(
  { model: id, batch, count, guidanceScale, guidanceChannels }: DrawConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<StageRate | UntoldTime> {
  const model = await plannedModel(id, resolve);
  if (model === undefined) return untoldBefore(id);
  const guidance = { scale: guidanceScale, channels: guidanceChannels };
  return measureDrawing(model, { atOnce: Math.min(batch, count), guidance }, runtime);
}

/** Measures how fast a model draws latents; a unit is a step of one latent. */
export async function measureDrawing(
  model: SiTConfig,
  { atOnce, guidance }: { readonly atOnce: number; readonly guidance: Guidance },
  runtime: RuntimeConfig,
): Promise<MeasuredRate> {
  const steps = measuredPoints - 1;
  const passes = 2 * steps * (guidance.scale === 1 ? 1 : 2);
  const most = Math.floor(measuredOperations / (2 * sitCost(model).multiplyAccumulates * passes));
  const batch = Math.max(1, Math.min(atOnce, most));
  const parameters = sitParameters(model);
  const valueOf = madeUpValues(parameters);
  const weights = Object.fromEntries(parameters.map(({ name }) => [name, valueOf(name)]));
  await startEngine(runtime);
  const start = performance.now();
  const drawn = drawLatents(
    weights,
    {
      ...{ model, transport: { interpolant: 'linear', prediction: 'velocity' }, guidance, batch },
      ...{ labels: new Int32Array(batch * batches), steps: measuredPoints, seed: 0, stream: 'rate' },
    },
    runtime,
    new AbortController().signal,
  );
  try {
    return await measureWork(start, { call: () => drawn.next(), units: batch * steps });
  } finally {
    await drawn.return();
  }
}
