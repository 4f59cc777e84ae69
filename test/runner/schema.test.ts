import { expect, it } from 'vitest';
import { messages, pipelineText } from './pipelines.js';

it('no name and no stages', async () => {
  expect(await messages('seed: 1\n')).toMatchInlineSnapshot(`
    "p.yaml:1:1 error missing-key: The pipeline needs the key \`name\`.
        seed: 1
        ^^^^
      \`name\`: Name of the pipeline, its folder of runs and the title of its report.

    p.yaml:1:1 error missing-key: The pipeline needs the key \`stages\`.
        seed: 1
        ^^^^
      \`stages\`: Stages by id. Stages refer to each other by these ids. Their order in the file does not matter."
  `);
});

it('no stages in the map of stages', async () => {
  expect(await messages('name: a\nstages: {}\n')).toMatchInlineSnapshot(`
    "p.yaml:2:1 error no-stages: \`stages\` must hold at least one stage.
        stages: {}
        ^^^^^^"
  `);
});

it('a misspelt key of a pipeline', async () => {
  expect(await messages(pipelineText({}, 'sede: 1\n'))).toMatchInlineSnapshot(`
    "p.yaml:2:1 error unknown-key: \`sede\` is not a key of a pipeline.
        sede: 1
        ^^^^
      Did you mean \`seed\`?"
  `);
});

it('a name with a space and capitals', async () => {
  expect(await messages(pipelineText().replace('name: test', 'name: My Pipeline'))).toMatchInlineSnapshot(`
    "p.yaml:1:7 error wrong-format: \`name\` must be lower-case letters and digits, with single hyphens between them; the text \`My Pipeline\` was found.
        name: My Pipeline
              ^^^^^^^^^^^"
  `);
});

it('a device that does not exist', async () => {
  expect(await messages(pipelineText({}, 'runtime: { device: gpuu, workers: 0, threads: two }\n')))
    .toMatchInlineSnapshot(`
    "p.yaml:2:20 error unknown-value: \`device\` must be \`auto\`, \`cpu\` or \`gpu\`; the text \`gpuu\` was found.
        runtime: { device: gpuu, workers: 0, threads: two }
                           ^^^^
      Did you mean \`gpu\`?

    p.yaml:2:35 error out-of-range: \`workers\` must be at least 1; \`0\` was found.
        runtime: { device: gpuu, workers: 0, threads: two }
                                          ^

    p.yaml:2:47 error wrong-type: \`threads\` must be a whole number; the text \`two\` was found.
        runtime: { device: gpuu, workers: 0, threads: two }
                                                      ^^^"
  `);
});

it('a stage without a kind', async () => {
  expect(await messages(pipelineText({ images: '{ path: photos, size: 32 }' }))).toMatchInlineSnapshot(`
    "p.yaml:3:3 error missing-key: \`images\` needs the key \`uses\`.
          images: { path: photos, size: 32 }
          ^^^^^^
      \`uses\`: Kind of the stage."
  `);
});

it('a misspelt kind', async () => {
  expect(await messages(pipelineText({ train: '{ uses: trian, latents: latents }' }))).toMatchInlineSnapshot(`
    "p.yaml:6:18 error unknown-kind: \`uses\` must be \`images\`, \`autoencoder\`, \`encode\`, \`latents\`, \`draw\`, \`train\`, \`pretrained\`, \`attention\`, \`sample\`, \`evaluate\`, \`report\` or \`playground\`; the text \`trian\` was found.
          train: { uses: trian, latents: latents }
                         ^^^^^
      Did you mean \`train\`?"
  `);
});

it('a stage that is a word', async () => {
  expect(await messages(pipelineText({ images: 'photos' }))).toMatchInlineSnapshot(`
    "p.yaml:3:11 error wrong-type: \`images\` must be a map; the text \`photos\` was found.
          images: photos
                  ^^^^^^"
  `);
});

it('a stage without anything', async () => {
  expect(await messages(pipelineText({ images: '' }))).toMatchInlineSnapshot(`
    "p.yaml:3:3 error wrong-type: \`images\` must be a map; nothing was found.
          images:
          ^^^^^^
      Give \`images\` a value, or remove the key."
  `);
});

it('a stage id with a dot', async () => {
  expect(await messages(pipelineText({ 'my.images': '{ uses: images, path: photos, size: 32 }' })))
    .toMatchInlineSnapshot(`
    "p.yaml:9:3 error wrong-stage-id: \`my.images\` cannot be the id of a stage.
          my.images: { uses: images, path: photos, size: 32 }
          ^^^^^^^^^
      An id is a letter, then letters, digits, hyphens or underscores."
  `);
});

it('missing keys', async () => {
  expect(await messages(pipelineText({ images: '{ uses: images }' }))).toMatchInlineSnapshot(`
    "p.yaml:3:3 error missing-key: \`images\` needs the key \`path\`.
          images: { uses: images }
          ^^^^^^
      \`path\`: Folder of the images, or files that hold them (tar, WebDataset, zip, parquet, IDX), relative to the file that it is written in, or of a data set on Hugging Face (\`hf://datasets/owner/name/files@revision\`), downloaded once into the cache that its libraries share. Braces and wildcards stand for several files; a list has several of these. PNG, JPEG, WebP, GIF, TIFF, AVIF, BMP and PPM (PGM, PBM) are read.

    p.yaml:3:3 error missing-key: \`images\` needs the key \`size\`.
          images: { uses: images }
          ^^^^^^
      \`size\`: Width and height of the prepared images."
  `);
});

it('a misspelt key of a stage', async () => {
  expect(
    await messages(
      pipelineText({
        sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidenceScale: 2 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:77 error unknown-key: \`guidenceScale\` is not a key of \`sample\` (a stage of kind \`sample\`).
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 4, guidenceScale: 2 }
                                                                                    ^^^^^^^^^^^^^
      Did you mean \`guidanceScale\`?"
  `);
});

it('a misspelt key that is needed', async () => {
  expect(
    await messages(
      pipelineText({ sample: '{ uses: sample, modle: train, autoencoder: autoencoder, count: 4 }' }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:27 error unknown-key: \`modle\` is not a key of \`sample\` (a stage of kind \`sample\`).
          sample: { uses: sample, modle: train, autoencoder: autoencoder, count: 4 }
                                  ^^^^^
      Did you mean \`model\`?"
  `);
});

it('a key like no other', async () => {
  expect(await messages(pipelineText({ report: '{ uses: report, stages: [train], zzzzzzz: 1 }' })))
    .toMatchInlineSnapshot(`
    "p.yaml:8:44 error unknown-key: \`zzzzzzz\` is not a key of \`report\` (a stage of kind \`report\`).
          report: { uses: report, stages: [train], zzzzzzz: 1 }
                                                   ^^^^^^^
      Its keys: \`uses\`, \`title\`, \`stages\`."
  `);
});

it('a number in quotes, and text for a number', async () => {
  expect(
    await messages(
      pipelineText({
        autoencoder: '{ uses: autoencoder, images: images, channels: [8, 16, 32], steps: "10", batch: many }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:4:83 error wrong-type: \`steps\` must be a whole number; the text \`10\` was found.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: "10", batch: many }
                                                                                          ^^^^
      Write it without quotes: 10.

    p.yaml:4:96 error wrong-type: \`batch\` must be a whole number; the text \`many\` was found.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: "10", batch: many }
                                                                                                       ^^^^"
  `);
});

it('a fraction for a count', async () => {
  expect(
    await messages(
      pipelineText({
        autoencoder: '{ uses: autoencoder, images: images, channels: [8, 16, 32.5], steps: 10 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:4:71 error wrong-type: Item 3 of \`channels\` must be a whole number; \`32.5\` was found.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32.5], steps: 10 }
                                                                              ^^^^"
  `);
});

it('a number for a class', async () => {
  expect(
    await messages(
      pipelineText({ images: '{ uses: images, path: photos, size: 32, classes: [cats, 2019] }' }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:3:67 error wrong-type: Item 2 of \`classes\` must be text; \`2019\` was found.
          images: { uses: images, path: photos, size: 32, classes: [cats, 2019] }
                                                                          ^^^^
      Put it in quotes: '2019'."
  `);
});

it('an empty path', async () => {
  expect(await messages(pipelineText({ images: '{ uses: images, path: "", size: 32 }' })))
    .toMatchInlineSnapshot(`
    "p.yaml:3:33 error empty-text: \`path\` must not be empty.
          images: { uses: images, path: "", size: 32 }
                                        ^^"
  `);
});

it('nothing after a key', async () => {
  expect(await messages(pipelineText({ images: '{ uses: images, path: , size: 32 }' })))
    .toMatchInlineSnapshot(`
      "p.yaml:3:27 error wrong-type: \`path\` must be text or a list; nothing was found.
            images: { uses: images, path: , size: 32 }
                                    ^^^^
        Give \`path\` a value, or remove the key."
    `);
});

it('a colour that is none', async () => {
  expect(
    await messages(pipelineText({ images: '{ uses: images, path: photos, size: 32, background: white }' })),
  ).toMatchInlineSnapshot(`
    "p.yaml:3:63 error wrong-format: \`background\` must be none, or a colour such as '#ffffff', in quotes; the text \`white\` was found.
          images: { uses: images, path: photos, size: 32, background: white }
                                                                      ^^^^^"
  `);
});

it('infinity', async () => {
  expect(
    await messages(
      pipelineText({
        autoencoder:
          '{ uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10, klWeight: .inf }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:4:97 error wrong-type: \`klWeight\` must be a number; \`Infinity\` was found.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10, klWeight: .inf }
                                                                                                        ^^^^"
  `);
});

it('a value outside of its range', async () => {
  expect(
    await messages(
      pipelineText({
        sample:
          '{ uses: sample, model: train, autoencoder: autoencoder, count: 0, sampler: { steps: 1, lastStepSize: 1 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:74 error out-of-range: \`count\` must be at least 1; \`0\` was found.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 0, sampler: { steps: 1, lastStepSize: 1 } }
                                                                                 ^

    p.yaml:7:95 error out-of-range: \`steps\` must be at least 2; \`1\` was found.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 0, sampler: { steps: 1, lastStepSize: 1 } }
                                                                                                      ^

    p.yaml:7:112 error out-of-range: \`lastStepSize\` must be less than 1; \`1\` was found.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 0, sampler: { steps: 1, lastStepSize: 1 } }
                                                                                                                       ^"
  `);
});

it('no class at all', async () => {
  expect(await messages(pipelineText({ images: '{ uses: images, path: photos, size: 32, classes: [] }' })))
    .toMatchInlineSnapshot(`
    "p.yaml:3:60 error wrong-length: \`classes\` must have at least 1 item; 0 items found.
          images: { uses: images, path: photos, size: 32, classes: [] }
                                                                   ^^"
  `);
});

it('a class twice', async () => {
  expect(
    await messages(
      pipelineText({ images: '{ uses: images, path: photos, size: 32, classes: [cats, dogs, cats] }' }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:3:73 error duplicate-item: \`cats\` is in \`classes\` twice.
          images: { uses: images, path: photos, size: 32, classes: [cats, dogs, cats] }
                                                                                ^^^^
      Keep one of the two.
      p.yaml:3:61 first used here
          images: { uses: images, path: photos, size: 32, classes: [cats, dogs, cats] }
                                                                    ^^^^"
  `);
});

it('text where one word or a map fits', async () => {
  expect(
    await messages(
      pipelineText({ latents: '{ uses: encode, images: images, autoencoder: autoencoder, flips: maybe }' }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:5:77 error wrong-type: \`flips\` must be true, false or a map; the text \`maybe\` was found.
          latents: { uses: encode, images: images, autoencoder: autoencoder, flips: maybe }
                                                                                    ^^^^^
      Write { classes: [maybe] }."
  `);
});

it('a word near to one of two, where a list fits too', async () => {
  expect(
    await messages(
      pipelineText({
        sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, classes: balancd }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:86 error unknown-value: \`classes\` must be \`balanced\`, \`random\` or a list; the text \`balancd\` was found.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 4, classes: balancd }
                                                                                             ^^^^^^^
      Did you mean \`balanced\`?"
  `);
});

it('a map with a misspelt key, where a word fits too', async () => {
  expect(
    await messages(
      pipelineText({
        images: '{ uses: images, path: photos, size: 32, labels: { file: l.csv, imag: f, label: l } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:3:74 error unknown-key: \`imag\` is not a key of \`labels\`.
          images: { uses: images, path: photos, size: 32, labels: { file: l.csv, imag: f, label: l } }
                                                                                 ^^^^
      Did you mean \`image\`?"
  `);
});

it('a number other than the one allowed', async () => {
  expect(
    await messages(
      pipelineText({
        sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceChannels: 4 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:7:95 error unknown-value: \`guidanceChannels\` must be \`3\` or \`all\`; \`4\` was found.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceChannels: 4 }
                                                                                                      ^"
  `);
});

it('neither epochs nor steps', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:3 error missing-key: \`train\` needs \`epochs\` or \`steps\`.
          train: { uses: train, latents: latents, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 } }
          ^^^^^"
  `);
});

it('both epochs and steps', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, epochs: 1, steps: 5 }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:129 error conflicting-keys: \`train\` takes either \`epochs\` or \`steps\`, not both.
        …ize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, epochs: 1, steps: 5 }
                                                                               ^^^^^
      Remove \`epochs\`, or \`steps\`.
      p.yaml:6:118 \`epochs\` is here
        …: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, epochs: 1, steps: 5 }
                                                                               ^^^^^^"
  `);
});

it('a model with a name and sizes', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 5, model: { name: SiT-S/2, depth: 3, mediators: 4 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:77 error conflicting-keys: \`model\` takes either \`name\` or \`hiddenSize\`, \`depth\`, \`heads\` and \`patchSize\`, not both.
          train: { uses: train, latents: latents, steps: 5, model: { name: SiT-S/2, depth: 3, mediators: 4 } }
                                                                                    ^^^^^
      Remove \`name\`, or \`depth\`.
      p.yaml:6:62 \`name\` is here
          train: { uses: train, latents: latents, steps: 5, model: { name: SiT-S/2, depth: 3, mediators: 4 } }
                                                                     ^^^^"
  `);
});

it('a model with some of its sizes', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 5, model: { hiddenSize: 32, depth: 3, mediators: 4 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:53 error missing-key: \`model\` needs \`heads\` and \`patchSize\` too.
          train: { uses: train, latents: latents, steps: 5, model: { hiddenSize: 32, depth: 3, mediators: 4 } }
                                                            ^^^^^"
  `);
});

it('a model that the paper does not have', async () => {
  expect(
    await messages(
      pipelineText({
        train: '{ uses: train, latents: latents, steps: 5, model: { name: SiT-S2, mediators: 4 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:68 error unknown-value: \`name\` must be \`SiT-S/2\`, \`SiT-S/4\`, \`SiT-S/8\`, \`SiT-B/2\`, \`SiT-B/4\`, \`SiT-B/8\`, \`SiT-L/2\`, \`SiT-L/4\`, \`SiT-L/8\`, \`SiT-XL/2\`, \`SiT-XL/4\` or \`SiT-XL/8\`; the text \`SiT-S2\` was found.
          train: { uses: train, latents: latents, steps: 5, model: { name: SiT-S2, mediators: 4 } }
                                                                           ^^^^^^
      Did you mean \`SiT-S/2\`?"
  `);
});

it('betas of three', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, steps: 5, betas: [0.9, 0.99, 0.999] }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:135 error wrong-length: \`betas\` must have 2 items; 3 items found.
        …2, depth: 4, heads: 2, patchSize: 2, mediators: 4 }, steps: 5, betas: [0.9, 0.99, 0.999] }
                                                                               ^^^^^^^^^^^^^^^^^^"
  `);
});

it('mediators that are no square', async () => {
  expect(
    await messages(
      pipelineText({
        train: '{ uses: train, latents: latents, steps: 5, model: { name: SiT-S/2, mediators: 20 } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:88 error not-a-square: \`mediators\` must be a perfect square, or 0 for full attention; \`20\` was found.
          train: { uses: train, latents: latents, steps: 5, model: { name: SiT-S/2, mediators: 20 } }
                                                                                               ^^
      The nearest are 16 and 25."
  `);
});

it('mediators as a list of both kinds', async () => {
  expect(
    await messages(
      pipelineText({
        train:
          '{ uses: train, latents: latents, steps: 5, model: { name: SiT-S/2, mediators: [{ blocks: [0, 3], mediators: 3 }, 4] } }',
      }),
    ),
  ).toMatchInlineSnapshot(`
    "p.yaml:6:118 error not-a-square: \`mediators\` must be a perfect square, or 0 for full attention; \`3\` was found.
        …: 5, model: { name: SiT-S/2, mediators: [{ blocks: [0, 3], mediators: 3 }, 4] } }
                                                                               ^
      The nearest are 1 and 4.

    p.yaml:6:123 error wrong-type: Item 2 of \`mediators\` must be a map; \`4\` was found.
        …model: { name: SiT-S/2, mediators: [{ blocks: [0, 3], mediators: 3 }, 4] } }
                                                                               ^"
  `);
});
