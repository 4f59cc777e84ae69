import { expect, it } from 'vitest';
import { load, messages, pipelineText } from '../../runner/pipelines.js';

const train = (keys: string) =>
  pipelineText({
    train: `{ uses: train, latents: latents, steps: 10, ${keys}, model: { name: SiT-S/2, mediators: 4 } }`,
    sample: undefined,
    report: undefined,
  });

it('every path and prediction can be trained at the default epsilon', async () => {
  for (const interpolant of ['linear', 'gvp', 'vp'])
    for (const prediction of ['velocity', 'score', 'noise'])
      for (const weight of ['none', 'likelihood', '{ kind: minSnr }']) {
        if (prediction === 'velocity' && weight === 'likelihood') continue;
        const keys = `interpolant: ${interpolant}, prediction: ${prediction}, lossWeight: ${weight}`;
        expect(await messages(train(keys)), keys).toBe('');
      }
});

it('an epsilon at which training divides by zero', async () => {
  expect(await messages(train('prediction: noise, lossWeight: likelihood, trainEpsilon: 0')))
    .toMatchInlineSnapshot(`
    "p.yaml:6:111 error impossible-transport: This cannot be trained: lossWeight "likelihood" divides by alpha, which is 0 at t = 0: trainEpsilon must be above 0.
        …, steps: 10, prediction: noise, lossWeight: likelihood, trainEpsilon: 0, model: { name: SiT-S/2, mediators: 4 } }
                                                                               ^
      Remove \`trainEpsilon\`, whose default keeps away from it, or use one such as 1e-3."
  `);
  expect(await messages(train('interpolant: vp, trainEpsilon: 0'))).toMatchInlineSnapshot(`
    "p.yaml:6:85 error impossible-transport: This cannot be trained: the velocity of the interpolant "vp" divides by sigma, which is 0 at t = 1: trainEpsilon must be above 0.
        …s: train, latents: latents, steps: 10, interpolant: vp, trainEpsilon: 0, model: { name: SiT-S/2, mediators: 4 } }
                                                                               ^
      Remove \`trainEpsilon\`, whose default keeps away from it, or use one such as 1e-3."
  `);
});

it('an epsilon that keeps no margin', async () => {
  const told = 'no-effect: With `interpolant: gvp` and `prediction: velocity` nothing is divided by zero';
  expect(await messages(train('interpolant: gvp, trainEpsilon: 0.01'))).toContain(told);
  for (const keys of [
    'interpolant: gvp',
    'interpolant: vp, trainEpsilon: 0.01',
    'prediction: noise, trainEpsilon: 0.01',
  ])
    expect(await messages(train(keys))).toBe('');
});

it('a weight that a velocity does not have', async () => {
  expect(await messages(train('lossWeight: velocity'))).toMatchInlineSnapshot(`
    "p.yaml:6:66 error impossible-transport: \`lossWeight: velocity\` applies to the error of a score, of noise or of data; \`prediction: velocity\` is trained without it.
          train: { uses: train, latents: latents, steps: 10, lossWeight: velocity, model: { name: SiT-S/2, mediators: 4 } }
                                                                         ^^^^^^^^
      Use \`lossWeight: none\` or \`{"kind":"minSnr"}\`, or \`prediction: noise\`."
  `);
});

it('the defaults are those of the reference', async () => {
  const loaded = await load(train('globalBatch: 256'));
  expect(loaded.ok && loaded.pipeline.stages.get('train')?.config).toMatchObject({
    interpolant: 'linear',
    prediction: 'velocity',
    lossWeight: 'none',
    timesteps: 'uniform',
    timestepShift: 1,
    learningRate: 1e-4,
    weightDecay: 0,
    betas: [0.9, 0.999],
    gradientClip: 0,
    ema: 0.9999,
    model: { labelDropout: 0.1 },
  });
});
