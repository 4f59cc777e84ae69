import { expect, it } from 'vitest';
import { messages, pipelineText } from './pipelines.js';

it('a stage that does not exist', async () => {
  expect(
    await messages(
      pipelineText({ sample: '{ uses: sample, model: tarin, autoencoder: autoencoder, count: 4 }' }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:34 error unknown-stage: A stage of kind \`train\` or \`pretrained\` is expected; there is no stage \`tarin\`.
          sample: { uses: sample, model: tarin, autoencoder: autoencoder, count: 4 }
                                         ^^^^^
      Did you mean \`train\`?"
  `);
});

it('a stage of the wrong kind', async () => {
  expect(
    await messages(
      pipelineText({ sample: '{ uses: sample, model: latents, autoencoder: autoencoder, count: 4 }' }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:34 error wrong-stage-kind: A stage of kind \`train\` or \`pretrained\` is expected; \`latents\` is of kind \`encode\`.
          sample: { uses: sample, model: latents, autoencoder: autoencoder, count: 4 }
                                         ^^^^^^^
      Stages that fit: \`train\`."
  `);
});

it('a kind of stage that the file lacks', async () => {
  expect(
    await messages(
      pipelineText({ autoencoder: undefined, train: undefined, sample: undefined, report: undefined }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:4:57 error unknown-stage: A stage of kind \`autoencoder\` is expected; there is no stage \`autoencoder\`.
          latents: { uses: encode, images: images, autoencoder: autoencoder }
                                                                ^^^^^^^^^^^
      There is none: add one."
  `);
});

it('a stage that names itself', async () => {
  expect(await messages(pipelineText({ latents: '{ uses: encode, images: images, autoencoder: latents }' })))
    .toMatchInlineSnapshot(`
    "p.yaml:5:57 error self-reference: \`latents\` names itself as its input.
          latents: { uses: encode, images: images, autoencoder: latents }
                                                                ^^^^^^^
      Stages that fit: \`autoencoder\`."
  `);
});

it('a cycle', async () => {
  expect(
    await messages(
      pipelineText({
        report: '{ uses: report, stages: [second] }',
        second: '{ uses: report, stages: [train, third] }',
        third: '{ uses: report, stages: [report, sample] }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:10:35 error reference-cycle: Stages need each other in a cycle: \`report\` → \`second\` → \`third\` → \`report\`.
          third: { uses: report, stages: [report, sample] }
                                          ^^^^^^
      Remove one of these references."
  `);
});

it('images that do not halve', async () => {
  expect(await messages(pipelineText({ images: '{ uses: images, path: photos, size: 30 }' })))
    .toMatchInlineSnapshot(`
    "p.yaml:4:3 error size-not-divisible: Images of 30 pixels cannot be divided by \`downsample: 4\`.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10 }
          ^^^^^^^^^^^
      For \`size\`: The nearest are 28 and 32.
      p.yaml:3:47 stages.images.size is here
          images: { uses: images, path: photos, size: 30 }
                                                      ^^"
  `);
});

it('other images that do not halve', async () => {
  expect(
    await messages(
      pipelineText({
        more: '{ uses: images, path: more, size: 34 }',
        latents: '{ uses: encode, images: more, autoencoder: autoencoder }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:5:36 error size-not-divisible: Images of 34 pixels cannot be divided by \`downsample: 4\` of \`autoencoder\`.
          latents: { uses: encode, images: more, autoencoder: autoencoder }
                                           ^^^^
      For \`size\`: The nearest are 32 and 36.
      p.yaml:9:43 stages.more.size is here
          more: { uses: images, path: more, size: 34 }
                                                  ^^"
  `);
});

it('latents that do not divide into patches', async () => {
  expect(await messages(pipelineText({ images: '{ uses: images, path: photos, size: 36 }' })))
    .toMatchInlineSnapshot(`
    "p.yaml:6:110 error size-not-divisible: Latents of 9 pixels cannot be divided into patches of 2.
        …s, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 } }
                                                                               ^
      Latents are the images' size divided by 4: change \`size\`, or the patch size.
      p.yaml:3:47 stages.images.size is here
          images: { uses: images, path: photos, size: 36 }
                                                      ^^"
  `);
});

it('latents that do not divide into patches of a named model', async () => {
  expect(
    await messages(
      pipelineText({
        train: '{ uses: train, latents: latents, steps: 10, model: { name: SiT-S/8, mediators: 1 } }',
        images: '{ uses: images, path: photos, size: 48 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:69 error size-not-divisible: Latents of 12 pixels cannot be divided into patches of 8.
          train: { uses: train, latents: latents, steps: 10, model: { name: SiT-S/8, mediators: 1 } }
                                                                            ^^^^^^^
      Latents are the images' size divided by 4: change \`size\`, or the patch size.
      p.yaml:3:47 stages.images.size is here
          images: { uses: images, path: photos, size: 48 }
                                                      ^^"
  `);
});

it('a hidden size that does not divide', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 34, depth: 4, heads: 3, patchSize: 2, mediators: 4 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:75 error size-not-divisible: \`hiddenSize\` 34 cannot be divided by 3 (\`heads\`).
        …ain: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 34, depth: 4, heads: 3, patchSize: 2, mediators:…
                                                                               ^^
      The nearest are 33 and 36.

    p.yaml:6:75 error size-not-divisible: \`hiddenSize\` 34 cannot be divided by 4 (the parts of the position embedding).
        …ain: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 34, depth: 4, heads: 3, patchSize: 2, mediators:…
                                                                               ^^
      The nearest are 32 and 36."
  `);
});

it('widths that do not divide into groups', async () => {
  expect(
    await messages(
      pipelineText({
        autoencoder: '{ uses: autoencoder, images: images, channels: [4, 16, 20], steps: 10 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:4:64 error size-not-divisible: 4 channels cannot be divided into 8 groups (\`normGroups\`).
          autoencoder: { uses: autoencoder, images: images, channels: [4, 16, 20], steps: 10 }
                                                                       ^
      The nearest is 8.

    p.yaml:4:71 error size-not-divisible: 20 channels cannot be divided into 8 groups (\`normGroups\`).
          autoencoder: { uses: autoencoder, images: images, channels: [4, 16, 20], steps: 10 }
                                                                              ^^
      The nearest are 16 and 24."
  `);
});

it('more widths than halvings', async () => {
  expect(
    await messages(
      pipelineText({
        autoencoder: '{ uses: autoencoder, images: images, channels: [8, 16, 32, 64], steps: 10 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:4:63 error wrong-length: \`channels\` must have at most 3 widths for \`downsample: 4\`: one for the finest resolution and one for each halving; 4 found.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32, 64], steps: 10 }
                                                                      ^^^^^^^^^^^^^^^"
  `);
});

it('a batch that does not divide between workers', async () => {
  expect(
    await messages(
      pipelineText(
        {
          train:
            '{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, globalBatch: 10 }',
        },
        'runtime: { workers: 4 }\n',
      ),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:142 error size-not-divisible: \`globalBatch\` 10 cannot be divided between 4 workers.
        …e: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, globalBatch: 10 }
                                                                               ^^
      The nearest are 8 and 12.
      p.yaml:2:21 runtime.workers is here
        runtime: { workers: 4 }
                            ^"
  `);
});

it('more mediators than tokens', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 25 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:124 error too-many-mediators: 25 mediators do not fit: latents of 8 pixels in patches of 2 give a grid of 4 × 4 tokens.
        …model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 25 } }
                                                                               ^^
      Use at most 16, or 0 for full attention."
  `);
});

it('extras of mediators without full attention, or with too many tokens', async () => {
  const model = (keys: string) =>
    messages(
      pipelineText({
        images: '{ uses: images, path: photos, size: 256 }',
        train: `{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 2, heads: 2, mediatorExtras: true, ${keys} } }`,
      }),
    );
  expect(await model('patchSize: 4, mediators: [4, 0]')).toBe('');
  expect(await model('patchSize: 4, mediators: [4, 4]')).toContain(
    'no-effect: `mediatorExtras` would change nothing: no block has full attention.',
  );
  expect(await model('patchSize: 2, mediators: 0')).toContain(
    'too-many-tokens: `mediatorExtras` takes at most 256 tokens; the model has 1,024 tokens.',
  );
});

it('more mediators than tokens in a list', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [16, 25, 0, 36] } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:129 error too-many-mediators: 25 mediators do not fit: latents of 8 pixels in patches of 2 give a grid of 4 × 4 tokens.
        …: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [16, 25, 0, 36] } }
                                                                               ^^
      Use at most 16, or 0 for full attention.

    p.yaml:6:136 error too-many-mediators: 36 mediators do not fit: latents of 8 pixels in patches of 2 give a grid of 4 × 4 tokens.
        …denSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [16, 25, 0, 36] } }
                                                                               ^^
      Use at most 16, or 0 for full attention."
  `);
});

it('mediators for another number of blocks', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [4, 4, 4] } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:124 error wrong-length: \`mediators\` must be one number, or one for each of the 4 blocks; 3 items found.
        …model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [4, 4, 4] } }
                                                                               ^^^^^^^^^"
  `);
});

it('ranges of blocks that do not fit', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [{ blocks: [0, 1], mediators: 4 }, { blocks: [1, 2], mediators: 4 }, { blocks: [3, 2], mediators: 4 }, { blocks: [3, 4], mediators: 4 }] } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:169 error wrong-block-range: Block 1 is in two ranges.
        …patchSize: 2, mediators: [{ blocks: [0, 1], mediators: 4 }, { blocks: [1, 2], mediators: 4 }, { blocks: [3, 2], mediat…
                                                                               ^^^^^^
      Ranges must not overlap.

    p.yaml:6:203 error wrong-block-range: The range of blocks starts at 3, after its end at 2.
        …: [0, 1], mediators: 4 }, { blocks: [1, 2], mediators: 4 }, { blocks: [3, 2], mediators: 4 }, { blocks: [3, 4], mediat…
                                                                               ^^^^^^

    p.yaml:6:237 error wrong-block-range: There is no block 4: the model has 4 blocks.
        …: [1, 2], mediators: 4 }, { blocks: [3, 2], mediators: 4 }, { blocks: [3, 4], mediators: 4 }] } }
                                                                               ^^^^^^
      They are counted from 0 to 3."
  `);
});

it('guidance of a model without label dropout', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropout: 0 } }',
        sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceScale: 1.5 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:92 error untrained-guidance: Guidance needs a model that also knows images without a class; \`train\` is trained with \`labelDropout: 0\`.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceScale: 1.5 }
                                                                                                   ^^^
      Use \`guidanceScale: 1\`, or train with \`labelDropout: 0.1\`.
      p.yaml:6:106 stages.train.model.labelDropout is here
          train: { uses: train, latents: latents, steps: 10, model: { name: SiT-S/2, mediators: 4, labelDropout: 0 } }
                                                                                                                 ^"
  `);
});

it('guidance of more channels than there are', async () => {
  expect(
    await messages(
      pipelineText({
        autoencoder:
          '{ uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10, latentChannels: 2 }',
        sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceScale: 1.5 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:92 error too-few-channels: The first 3 latent channels cannot be guided: there are 2.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceScale: 1.5 }
                                                                                                   ^^^
      Use \`guidanceChannels: all\`."
  `);
});

it('a last step of no size', async () => {
  expect(
    await messages(
      pipelineText({
        sample:
          '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, sampler: { lastStep: tweedie, lastStepSize: 0 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:121 error impossible-sampler: A last step of size 0 starts where no noise is left, and \`lastStep: tweedie\` would divide by zero.
        …r: autoencoder, count: 4, sampler: { lastStep: tweedie, lastStepSize: 0 } }
                                                                               ^
      Use \`lastStep: none\`, or a size such as 0.04."
  `);
});

it('an autoencoder with latents of another shape', async () => {
  expect(
    await messages(
      pipelineText({
        other:
          '{ uses: autoencoder, images: images, channels: [8, 16], downsample: 2, latentChannels: 8, steps: 10 }',
        sample: '{ uses: sample, model: train, autoencoder: other, count: 4 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:54 error autoencoder-mismatch: \`other\` has \`latentChannels: 8\`, and \`autoencoder\`, which made the latents that \`train\` is trained on, has \`latentChannels: 4\`.
          sample: { uses: sample, model: train, autoencoder: other, count: 4 }
                                                             ^^^^^
      Decode with \`autoencoder\`.

    p.yaml:7:54 error autoencoder-mismatch: \`other\` has \`downsample: 2\`, and \`autoencoder\`, which made the latents that \`train\` is trained on, has \`downsample: 4\`.
          sample: { uses: sample, model: train, autoencoder: other, count: 4 }
                                                             ^^^^^
      Decode with \`autoencoder\`."
  `);
});

it('classes that the images do not have', async () => {
  expect(
    await messages(
      pipelineText({
        images: '{ uses: images, path: photos, size: 32, classes: [cats, dogs] }',
        latents: '{ uses: encode, images: images, autoencoder: autoencoder, flips: { classes: [cat] } }',
        sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, classes: [dogs, horses] }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:5:89 error unknown-class: \`cat\` is not one of the classes of \`images\`.
          latents: { uses: encode, images: images, autoencoder: autoencoder, flips: { classes: [cat] } }
                                                                                                ^^^
      Did you mean \`cats\`?

    p.yaml:7:93 error unknown-class: \`horses\` is not one of the classes of \`images\`.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 4, classes: [dogs, horses] }
                                                                                                    ^^^^^^
      Its classes: \`cats\`, \`dogs\`."
  `);
});

it('a problem in a merged map only once', async () => {
  expect(
    await messages(
      'name: a\nstages:\n  a: &base { uses: images, path: x, size: big }\n  b: { <<: *base, path: y }\n',
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:3:43 error wrong-type: \`size\` must be a whole number; the text \`big\` was found.
          a: &base { uses: images, path: x, size: big }
                                                  ^^^"
  `);
});

it('a pretrained model without a null class, and a class that it does not have', async () => {
  expect(
    await messages(
      pipelineText({
        model: '{ uses: pretrained, path: a.pt, scalingFactor: 1, labelDropout: 0, classes: [cat, dog] }',
        sample:
          '{ uses: sample, model: model, autoencoder: autoencoder, count: 4, guidanceScale: 2, classes: [cat, god] }',
        report: undefined,
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:92 error untrained-guidance: Guidance needs a model that also knows images without a class; \`model\` is trained with \`labelDropout: 0\`.
          sample: { uses: sample, model: model, autoencoder: autoencoder, count: 4, guidanceScale: 2, classes: [cat, god] }
                                                                                                   ^
      Use \`guidanceScale: 1\`, or train with \`labelDropout: 0.1\`.
      p.yaml:8:74 stages.model.labelDropout is here
          model: { uses: pretrained, path: a.pt, scalingFactor: 1, labelDropout: 0, classes: [cat, dog] }
                                                                                 ^

    p.yaml:7:110 error unknown-class: \`god\` is not one of the classes of \`model\`.
          sample: { uses: sample, model: model, autoencoder: autoencoder, count: 4, guidanceScale: 2, classes: [cat, god] }
                                                                                                                     ^^^
      Its classes: \`cat\`, \`dog\`."
  `);
});

it('a pretrained autoencoder with keys of training', async () => {
  expect(
    await messages(
      pipelineText({ autoencoder: '{ uses: autoencoder, weights: stabilityai/sd-vae-ft-ema, steps: 10 }' }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:4:37 error conflicting-keys: \`autoencoder\` takes either \`weights\` or \`steps\`, not both.
          autoencoder: { uses: autoencoder, weights: stabilityai/sd-vae-ft-ema, steps: 10 }
                                            ^^^^^^^
      Remove \`steps\`, or \`weights\`.
      p.yaml:4:73 \`steps\` is here
          autoencoder: { uses: autoencoder, weights: stabilityai/sd-vae-ft-ema, steps: 10 }
                                                                                ^^^^^"
  `);
});

it('images that a pretrained autoencoder cannot encode', async () => {
  expect(
    await messages(
      pipelineText({
        images: '{ uses: images, path: photos, size: 36 }',
        autoencoder: '{ uses: autoencoder, weights: stabilityai/sd-vae-ft-mse@main }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:5:36 error size-not-divisible: Images of 36 pixels cannot be divided by \`downsample: 8\` of \`autoencoder\`.
          latents: { uses: encode, images: images, autoencoder: autoencoder }
                                           ^^^^^^
      For \`size\`: The nearest are 32 and 40.
      p.yaml:3:47 stages.images.size is here
          images: { uses: images, path: photos, size: 36 }
                                                      ^^"
  `);
});

it('another autoencoder than the one that encoded', async () => {
  expect(
    await messages(
      pipelineText({
        vae: '{ uses: autoencoder, weights: stabilityai/sd-vae-ft-ema }',
        sample: '{ uses: sample, model: train, autoencoder: vae, count: 4 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:54 error autoencoder-mismatch: \`vae\` has \`downsample: 8\`, and \`autoencoder\`, which made the latents that \`train\` is trained on, has \`downsample: 4\`.
          sample: { uses: sample, model: train, autoencoder: vae, count: 4 }
                                                             ^^^
      Decode with \`autoencoder\`."
  `);
});
