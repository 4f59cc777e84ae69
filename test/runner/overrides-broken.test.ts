import { expect, it } from 'vitest';
import { messages, pipelineText } from './pipelines.js';

it('a value of the wrong type', async () => {
  expect(await messages(pipelineText(), ['stages.train.steps=abc'])).toMatchInlineSnapshot(`
    "--set error wrong-type: \`steps\` must be a whole number; the text \`abc\` was found.
        --set stages.train.steps=abc
                                 ^^^"
  `);
});

it('a misspelt key', async () => {
  expect(await messages(pipelineText(), ['stages.sample.guidenceScale=2'])).toMatchInlineSnapshot(`
    "--set error unknown-key: \`guidenceScale\` is not a key of \`sample\` (a stage of kind \`sample\`).
        --set stages.sample.guidenceScale=2
                            ^^^^^^^^^^^^^
      Did you mean \`guidanceScale\`?"
  `);
});

it('a misspelt stage', async () => {
  expect(await messages(pipelineText(), ['stages.trian.steps=5'])).toMatchInlineSnapshot(`
    "--set error unknown-stage: \`trian\` is not a stage of this pipeline.
        --set stages.trian.steps=5
                     ^^^^^
      Did you mean \`train\`?"
  `);
});

it('a rule across stages', async () => {
  expect(await messages(pipelineText(), ['stages.images.size=30'])).toMatchInlineSnapshot(`
    "p.yaml:4:3 error size-not-divisible: Images of 30 pixels cannot be divided by \`downsample: 4\`.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10 }
          ^^^^^^^^^^^
      For \`size\`: The nearest are 28 and 32.
      --set stages.images.size is here
        --set stages.images.size=30
                                 ^^"
  `);
});

it('no equals sign', async () => {
  expect(await messages(pipelineText(), ['stages.train.steps'])).toMatchInlineSnapshot(`
    "--set error malformed-override: \`--set\` takes a path and a value with \`=\` between them.
        --set stages.train.steps
              ^^^^^^^^^^^^^^^^^^
      For example: --set seed=1"
  `);
});

it('an empty key', async () => {
  expect(await messages(pipelineText(), ['stages..steps=5'])).toMatchInlineSnapshot(`
    "--set error malformed-override: \`--set\` takes a path and a value with \`=\` between them.
        --set stages..steps=5
              ^^^^^^^^^^^^^^^
      For example: --set seed=1"
  `);
});

it('YAML that cannot be read', async () => {
  expect(await messages(pipelineText(), ['stages.autoencoder.channels=[8, 16'])).toMatchInlineSnapshot(`
    "--set error yaml-syntax: A list in brackets must end with a ].
        --set stages.autoencoder.channels=[8, 16
                                                ^"
  `);
});

it('an item that is not there', async () => {
  expect(await messages(pipelineText(), ['stages.autoencoder.channels.3=8'])).toMatchInlineSnapshot(`
    "--set error no-such-item: \`stages.autoencoder.channels\` is a list of 3 items, counted from 0; there is no such item.
        --set stages.autoencoder.channels.3=8
                                          ^"
  `);
});

it('a key inside of a value', async () => {
  expect(await messages(pipelineText(), ['stages.train.steps.x=1'])).toMatchInlineSnapshot(`
    "--set error not-a-map: \`stages.train.steps\` is a single value and has no key \`x\`.
        --set stages.train.steps.x=1
                                 ^
      Set \`stages.train.steps\` to a map, as in --set 'stages.train.steps={x: …}'."
  `);
});

it('a key that conflicts with the file', async () => {
  expect(await messages(pipelineText(), ['stages.train.epochs=2'])).toMatchInlineSnapshot(`
    "--set error conflicting-keys: \`train\` takes either \`epochs\` or \`steps\`, not both.
        --set stages.train.epochs=2
                           ^^^^^^
      Remove the other with --set stages.train.steps=null
      p.yaml:6:43 \`steps\` is here
          train: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediat…
                                                  ^^^^^"
  `);
});

it('several, in their order', async () => {
  expect(await messages(pipelineText(), ['stages.train.steps=abc', 'seed=-1'])).toMatchInlineSnapshot(`
    "--set error wrong-type: \`steps\` must be a whole number; the text \`abc\` was found.
        --set stages.train.steps=abc
                                 ^^^

    --set error out-of-range: \`seed\` must be at least 0; \`-1\` was found.
        --set seed=-1
                   ^^"
  `);
});

it.each(['stages.train.learningRate=', 'stages.train.learningRat=', 'stages.nothing=  '])(
  'no value, as of a variable that is not set: %s',
  async (option) => {
    const told = await messages(pipelineText(), [option]);
    expect(told).toContain('--set error empty-override:');
    expect(told).toContain("set it to `null`; for an empty text write `''`");
  },
);

it.each([
  ['stages.train.learningRat=null', 'unknown-key', 'Did you mean `learningRate`?'],
  ['stages.train.modle.mediators=null', 'unknown-key', 'Did you mean `model`?'],
  ['stages.train.model.mediator=null', 'unknown-key', 'Did you mean `mediators`?'],
  ['stages.train.samples.ever=null', 'unknown-key', 'Keys here:'],
  ['stages.trian=null', 'unknown-stage', 'Did you mean `train`?'],
  ['stages.trian.steps=null', 'unknown-stage', 'Did you mean `train`?'],
  ['runtim=~', 'unknown-key', 'Did you mean `runtime`?'],
])('a removed key that there cannot be: %s', async (option, code, remedy) => {
  const told = await messages(pipelineText(), [option]);
  expect(told).toContain(`--set error ${code}:`);
  expect(told).toContain(remedy);
});

it.each(['stages.train.learningRate=null', 'stages.train.samples.everySteps=null', 'runtime.threads=null'])(
  'nothing is wrong with removing what is not written: %s',
  async (option) => {
    expect(await messages(pipelineText(), [option])).toBe('');
  },
);

it('what a file extends', async () => {
  expect(await messages(pipelineText(), ['extends=missing.yaml'])).toMatchInlineSnapshot(`
    "--set error cannot-be-set: \`extends\` cannot be set: what a file extends is read before its values are changed.
        --set extends=missing.yaml
              ^^^^^^^
      Write a file that extends both: \`extends: [base.yaml, other.yaml]\`."
  `);
});
