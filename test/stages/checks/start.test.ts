import { expect, it } from 'vitest';
import { messages, pipelineText } from '../../runner/pipelines.js';

/** A training that starts from `train`; its keys may be replaced. */
const second = (keys: Readonly<Record<string, string>> = {}) => {
  const all = {
    start: 'train',
    latents: 'latents',
    steps: '10',
    model: '{ hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }',
    ...keys,
  };
  const written = Object.entries(all).map(([key, value]) => `${key}: ${value}`);
  return `{ uses: train, ${written.join(', ')} }`;
};
const larger = {
  large: '{ uses: images, path: photos, size: 64 }',
  'large-latents': '{ uses: encode, images: large, autoencoder: autoencoder }',
};

it('accepts larger images, and another way to train', async () => {
  const keys = { latents: 'large-latents', learningRate: '1e-5', timestepShift: '2' };
  expect(await messages(pipelineText({ ...larger, second: second(keys) }))).toBe('');
  const model =
    '{ hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [4, 4, 4, 4], labelDropout: 0.2 }';
  expect(await messages(pipelineText({ second: second({ model }) }))).toBe('');
});

it('accepts other mediators, depths, patches, norms and classes, and a file', async () => {
  const models = [
    '{ hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 0 }',
    '{ hiddenSize: 32, depth: 6, heads: 2, patchSize: 1, mediators: 16, qkNorm: true, labelDropout: 0 }',
  ];
  for (const model of models) expect(await messages(pipelineText({ second: second({ model }) }))).toBe('');
  const start = '{ path: sit.pt, weights: ema, heads: 2, scalingFactor: 0.5, classes: [a, b] }';
  expect(await messages(pipelineText({ second: second({ start }) }))).toBe('');
});

it('refuses a file whose scale of latents is assumed beside an autoencoder of another', async () => {
  const start = '{ path: sit.pt, classes: [a, b] }';
  const found = await messages(pipelineText({ second: second({ start }) }));
  expect(found).toContain(
    'scale-unknown: `sit.pt` is assumed to be trained on latents that were multiplied by 0.18215',
  );
  expect(found).toContain('Set `scalingFactor` of `start`');
});

it('refuses a file that says to predict something else, and keys that no file has', async () => {
  const start = '{ path: sit.pt, scalingFactor: 1, prediction: noise, step: 3 }';
  const found = await messages(pipelineText({ second: second({ start }) }));
  expect(found).toContain('`step` is not a key of `start`');
  const told = await messages(pipelineText({ second: second({ start: start.replace(', step: 3', '') }) }));
  expect(told).toContain(
    '`sit.pt`, which training starts from, has `prediction: noise`; here it is `velocity`.',
  );
});

it('names widths and heads that differ, at once', async () => {
  const model = '{ hiddenSize: 64, depth: 4, heads: 4, patchSize: 2, mediators: 1 }';
  expect(await messages(pipelineText({ second: second({ model }) }))).toMatchInlineSnapshot(`
    "p.yaml:9:90 error start-mismatch: \`train\`, which training starts from, has hiddenSize 32 (here 64), heads 2 (here 4).
        …rain, start: train, latents: latents, steps: 10, model: { hiddenSize: 64, depth: 4, heads: 4, patchSize: 2, mediators:…
                                                                               ^^
      Mediators, depth, patches, classes, norms and the size of images may differ, and what says how to train.
      p.yaml:6:75 stages.train.model.hiddenSize is here
        …ain: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators:…
                                                                               ^^"
  `);
});

it('points at the name of a model that has another', async () => {
  expect(await messages(pipelineText({ second: second({ model: '{ name: SiT-S/2, mediators: 4 }' }) })))
    .toMatchInlineSnapshot(`
      "p.yaml:9:84 error start-mismatch: \`train\`, which training starts from, has hiddenSize 32 (here 384), heads 2 (here 6).
            second: { uses: train, start: train, latents: latents, steps: 10, model: { name: SiT-S/2, mediators: 4 } }
                                                                                             ^^^^^^^
        Mediators, depth, patches, classes, norms and the size of images may differ, and what says how to train.
        p.yaml:6:75 stages.train.model.hiddenSize is here
          …ain: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators:…
                                                                                 ^^"
    `);
});

it('refuses what makes outputs or inputs mean something else', async () => {
  const other = {
    ...larger,
    other: '{ uses: autoencoder, images: large, channels: [8, 16, 24], steps: 10 }',
    'large-latents': '{ uses: encode, images: large, autoencoder: other }',
    images: '{ uses: images, path: photos, size: 32, classes: [a, b] }',
    large: '{ uses: images, path: photos, size: 64, classes: [a, b, c] }',
  };
  expect(
    await messages(
      pipelineText({ ...other, second: second({ latents: 'large-latents', prediction: 'noise' }) }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:12:49 error start-mismatch: \`train\`, which training starts from, was trained on latents of \`autoencoder\`; these are of \`other\`, whose latents are others.
          second: { uses: train, start: train, latents: large-latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2,…
                                                        ^^^^^^^^^^^^^
      Mediators, depth, patches, classes, norms and the size of images may differ, and what says how to train.

    p.yaml:12:162 error start-mismatch: \`train\`, which training starts from, has \`prediction: velocity\`; here it is \`noise\`.
        …ze: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, prediction: noise }
                                                                               ^^^^^
      Mediators, depth, patches, classes, norms and the size of images may differ, and what says how to train.
      p.yaml:6:3 stages.train.prediction is here
          train: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediat…
          ^^^^^"
  `);
});

it('refuses a stage that is not there, or is no model', async () => {
  expect(await messages(pipelineText({ second: second({ start: 'tarin' }) }))).toMatchInlineSnapshot(`
    "p.yaml:9:33 error unknown-stage: A stage of kind \`train\` or \`pretrained\` is expected; there is no stage \`tarin\`.
          second: { uses: train, start: tarin, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patch…
                                        ^^^^^
      Did you mean \`train\`?"
  `);
  expect(await messages(pipelineText({ second: second({ start: 'latents' }) }))).toMatchInlineSnapshot(`
    "p.yaml:9:33 error wrong-stage-kind: A stage of kind \`train\` or \`pretrained\` is expected; \`latents\` is of kind \`encode\`.
          second: { uses: train, start: latents, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, pat…
                                        ^^^^^^^
      Stages that fit: \`train\`."
  `);
});
