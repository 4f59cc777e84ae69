import { counted, formatBytes, formatLarge } from '../../base/format.js';
import type { DrawConfig } from '../../generated/index.js';
import { shapeOf } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import { samplingMemory } from '../../models/sit/memory.js';
import type { StageFact, StageTiming } from '../../runner/stage.js';
import { plannedModel, type Resolve } from '../shared/planned.js';

/** Steps of Heun's method evaluate the model twice. */
const evaluations = 2;
const bytesOf = { float16: 2, float32: 4 } as const;

/** Describes the output and the needs of drawing, as far as configurations and cached outputs tell. */
export async function describeDraw(config: DrawConfig, resolve: Resolve): Promise<readonly StageFact[]> {
  const model = await plannedModel(config.model, resolve);
  if (model === undefined) return [];
  const { latentSize, channels } = model;
  const guided = config.guidanceScale !== 1;
  const choice = { models: [{ model }], batch: config.batch, guided, gradients: false, features: 0 };
  const memory = samplingMemory(choice, { parameters: 0, bytes: 0, whileDrawing: false });
  const operations = evaluations * (config.steps - 1) * (guided ? 2 : 1) * sitCost(model).multiplyAccumulates;
  const disk = 2 * config.count * latentSize ** 2 * channels * bytesOf[config.dtype];
  return [
    {
      label: 'latents',
      value: `${formatLarge(config.count)} of ${latentSize} × ${latentSize} × ${channels}, ${formatBytes(disk)}`,
    },
    { label: 'GFLOPs a latent', value: (operations / 1e9).toFixed(2) },
    {
      label: 'memory',
      bytes: memory,
      value: `about ${formatBytes(memory)} for ${counted(config.batch, 'latent')} at once`,
    },
  ];
}

/** Work of drawing in steps of latents, which take as long for the same model and guidance. */
export async function drawTiming(
  { model: id, count, steps, batch, guidanceScale }: DrawConfig,
  resolve: Resolve,
): Promise<StageTiming | undefined> {
  const model = await plannedModel(id, resolve);
  return (
    model && {
      amount: count * (steps - 1),
      like: { shape: shapeOf(model), batch, guided: guidanceScale !== 1 },
    }
  );
}
