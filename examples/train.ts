import { join } from 'node:path';
import {
  diffusionLoss,
  float32,
  type HostTensor,
  imageGrid,
  initialValues,
  int32,
  interpolants,
  type LatentInputs,
  openSession,
  openTrainer,
  type RandomInputs,
  sampleSde,
  SiT,
  sit,
  sitParameters,
  startEngine,
  streamKey,
  toImages,
  writePng,
} from 'mediator-sit';

/**
 * Trains a small SiT with four mediators on drawings made here, disks and squares of 16 pixels, and draws new ones. Every
 * step is written out; `train` of the library does the same in one call.
 *
 *   npx tsx examples/train.ts [STEPS] [FOLDER]    300 steps: about a minute on 2 cores
 *
 * Writes FOLDER/model, which `SiT.open` and the stage `pretrained` take, and FOLDER/drawn.png.
 */

const steps = Number(process.argv[2] ?? 300);
const folder = process.argv[3] ?? '.';
const batch = 32;
const size = 16;
const sizes = { hiddenSize: 96, depth: 4, heads: 4, patchSize: 2 };
const config = SiT.configOf({ ...sizes, latentSize: size, channels: 3, classes: 2, mediators: 4 });

/** A number in [0, 1) that looks random. */
function fraction(i: number): number {
  const wide = Math.sin(i * 12.9898) * 43758.5453;
  return wide - Math.floor(wide);
}

/** A disk (class 0) or a square (class 1) of some place, radius and colour, in [-1, 1]. */
function drawing(label: number, number: number): number[] {
  const [a, b, c, ...rest] = Array.from({ length: 6 }, (_, i) => fraction(6 * number + i)) as [
    number,
    number,
    number,
  ];
  const [x, y, radius] = [6 + 4 * a, 6 + 4 * b, 3 + 2 * c];
  const colour = rest.map((part) => 2 * part - 1);
  return Array.from({ length: size * size }, (_, i) => {
    const [dx, dy] = [Math.abs((i % size) - x), Math.abs(Math.floor(i / size) - y)];
    const inside = label === 0 ? Math.hypot(dx, dy) < radius : Math.max(dx, dy) < radius;
    return inside ? colour : [1, 1, 1];
  }).flat();
}

await startEngine();
const session = openSession();
const key = { dtype: 'int32', shape: [2] } as const;
const image = { dtype: 'float32', shape: [batch, size, size, 3] } as const;
const trainer = openTrainer<LatentInputs & RandomInputs>(session, {
  parameters: sitParameters(config),
  inputs: {
    ...{ mean: image, std: image, labels: { dtype: 'int32', shape: [batch] } },
    ...{ posteriorKey: key, noiseKey: key, timeKey: key, dropoutKey: key },
    firstSample: { dtype: 'int32', shape: [1] },
  },
  loss: (inputs, weights) => {
    const { losses } = diffusionLoss((x, t, y) => sit(weights, config, x, t, y), inputs, inputs, {
      transport: { interpolant: interpolants.linear, prediction: 'velocity', lossWeight: 'none' },
      interval: [0, 1],
      timestepSampling: { kind: 'uniform' },
      timestepShift: 1,
      normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
      labelDropout: config.labelDropout,
      nullClass: config.classes,
    });
    return { loss: losses.mean() };
  },
  optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
  averageDecays: [0.98],
  gradientClip: 1,
});
await trainer.start(initialValues(sitParameters(config), 0));
for (let step = 0; step < steps; step++) {
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 2);
  const pixels = [...labels].flatMap((label, i) => drawing(label, step * batch + i));
  const { loss } = await trainer.step(
    {
      mean: float32(image.shape, Float32Array.from(pixels)),
      std: float32(image.shape, new Float32Array(batch * size * size * 3)),
      labels: int32([batch], labels),
      posteriorKey: streamKey(0, 'posterior', step),
      noiseKey: streamKey(0, 'noise', step),
      timeKey: streamKey(0, 'time', step),
      dropoutKey: streamKey(0, 'dropout', step),
      firstSample: int32([1], Int32Array.of(0)),
    },
    2e-3 * Math.min(1, (step + 1) / 20),
    step,
  );
  if ((step + 1) % 20 === 0) console.log(`step ${step + 1}: loss ${loss.toFixed(4)}`);
}
const weights: Record<string, HostTensor> = {};
for await (const [name, value] of trainer.read('average')) weights[name] = value;
await session.close();

const model = await SiT.create(config, { weights, classes: ['disk', 'square'] });
await model.save(join(folder, 'model'));
const labels = Array.from({ length: 16 }, (_, i) => (i < 8 ? 0 : 1));
const { latents } = await sampleSde(model, { labels, steps: 100, guidanceScale: 2 });
await writePng(join(folder, 'drawn.png'), imageGrid(toImages(latents), { columns: 8, scale: 4 }));
console.log(`Drawn: ${join(folder, 'drawn.png')}`);
await model.close();
