import { expect, it } from 'vitest';
import { messages, pipelineText } from '../pipelines.js';

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

it('names every size that differs, and the mediators', async () => {
  const model = '{ hiddenSize: 64, depth: 4, heads: 4, patchSize: 2, mediators: 1 }';
  expect(await messages(pipelineText({ second: second({ model }) }))).toMatchInlineSnapshot(`
    "p.yaml:9:90 error start-mismatch: \`train\`, which training starts from, has hiddenSize 32 (here 64), heads 2 (here 4).
        …rain, start: train, latents: latents, steps: 10, model: { hiddenSize: 64, depth: 4, heads: 4, patchSize: 2, mediators:…
                                                                               ^^
      Only the size of the images, and what says how to train, may differ.
      p.yaml:6:75 stages.train.model.hiddenSize is here
        …ain: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators:…
                                                                               ^^

    p.yaml:9:139 error start-mismatch: \`train\`, which training starts from, has \`model.mediators: 4\`; here it is \`1\`.
        …model: { hiddenSize: 64, depth: 4, heads: 4, patchSize: 2, mediators: 1 } }
                                                                               ^
      Only the size of the images, and what says how to train, may differ.
      p.yaml:6:124 stages.train.model.mediators is here
        …model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 } }
                                                                               ^"
  `);
});

it('points at the name of a model that has another', async () => {
  expect(await messages(pipelineText({ second: second({ model: '{ name: SiT-S/2, mediators: 4 }' }) })))
    .toMatchInlineSnapshot(`
    "p.yaml:9:84 error start-mismatch: \`train\`, which training starts from, has hiddenSize 32 (here 384), depth 4 (here 12), heads 2 (here 6).
          second: { uses: train, start: train, latents: latents, steps: 10, model: { name: SiT-S/2, mediators: 4 } }
                                                                                           ^^^^^^^
      Only the size of the images, and what says how to train, may differ.
      p.yaml:6:75 stages.train.model.hiddenSize is here
        …ain: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators:…
                                                                               ^^"
  `);
});

it('refuses what makes outputs, inputs or labels mean something else', async () => {
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
      Only the size of the images, and what says how to train, may differ.

    p.yaml:12:49 error start-mismatch: \`train\`, which training starts from, knows 2 classes; \`large\` has 3.
          second: { uses: train, start: train, latents: large-latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2,…
                                                        ^^^^^^^^^^^^^
      Only the size of the images, and what says how to train, may differ.

    p.yaml:12:162 error start-mismatch: \`train\`, which training starts from, has \`prediction: velocity\`; here it is \`noise\`.
        …ze: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, prediction: noise }
                                                                               ^^^^^
      Only the size of the images, and what says how to train, may differ.
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
