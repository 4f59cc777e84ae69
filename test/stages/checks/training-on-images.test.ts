import { expect, it } from 'vitest';
import { messages, pipelineText } from '../../runner/pipelines.js';

const train = (keys: string) =>
  pipelineText({
    train: `{ uses: train, ${keys}, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropout: 0 } }`,
    sample: undefined,
    report: undefined,
  });

it('trains on latents, or on images with an autoencoder', async () => {
  expect(await messages(train('images: images, autoencoder: autoencoder, flips: true, crop: random'))).toBe(
    '',
  );
  expect(await messages(train('latents: latents, images: images'))).toMatchInlineSnapshot(`
    "p.yaml:6:43 error conflicting-keys: \`train\` takes either \`latents\` or \`images\` and \`autoencoder\`, not both.
          train: { uses: train, latents: latents, images: images, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropou…
                                                  ^^^^^^
      Remove \`latents\`, or \`images\`.
      p.yaml:6:25 \`latents\` is here
          train: { uses: train, latents: latents, images: images, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropou…
                                ^^^^^^^"
  `);
  expect(await messages(train('images: images'))).toMatchInlineSnapshot(`
    "p.yaml:6:3 error missing-key: \`train\` needs \`autoencoder\` too.
          train: { uses: train, images: images, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropout: 0 } }
          ^^^^^"
  `);
  expect(await messages(train('globalBatch: 8'))).toMatchInlineSnapshot(`
    "p.yaml:6:3 error missing-key: \`train\` needs \`latents\` or \`images\` and \`autoencoder\`.
          train: { uses: train, globalBatch: 8, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropout: 0 } }
          ^^^^^"
  `);
});

it('refuses to crop and mirror what is stored', async () => {
  expect(await messages(train('latents: latents, flips: true, crop: random'))).toMatchInlineSnapshot(`
    "p.yaml:6:50 error no-effect: \`flips\` applies to images that are encoded during training; \`latents\` are used as they are.
          train: { uses: train, latents: latents, flips: true, crop: random, steps: 10, model: { name: SiT-S/2, mediators: 4, …
                                                         ^^^^
      Set \`flips\` of \`latents\`.

    p.yaml:6:62 error no-effect: \`crop\` applies to images that are encoded during training; \`latents\` are used as they are.
          train: { uses: train, latents: latents, flips: true, crop: random, steps: 10, model: { name: SiT-S/2, mediators: 4, …
                                                                     ^^^^^^
      Remove it, or train on \`images\` and \`autoencoder\`."
  `);
});

it('refuses guided pictures where guidance is not trained', async () => {
  const samples = (keys: string) =>
    `latents: latents, samples: { everySteps: 5, autoencoder: autoencoder${keys} }`;
  expect(await messages(train(samples(', guidanceScale: 1')))).toBe('');
  expect(await messages(train(samples('')))).toMatchInlineSnapshot(`
    "p.yaml:6:43 error untrained-guidance: Guidance needs a model that also knows images without a class; \`train\` is trained with \`labelDropout: 0\`.
          train: { uses: train, latents: latents, samples: { everySteps: 5, autoencoder: autoencoder }, steps: 10, model: { na…
                                                  ^^^^^^^
      Use \`guidanceScale: 1\`, or train with \`labelDropout: 0.1\`.
      p.yaml:6:160 stages.train.model.labelDropout is here
        …der }, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropout: 0 } }
                                                                               ^"
  `);
});
