import { expect, it } from 'vitest';
import { messagesOf } from '../../runner/files.js';
import { pipelineText } from '../../runner/pipelines.js';

const config = (scale: number): string =>
  JSON.stringify({ block_out_channels: [32, 64, 64, 64], scaling_factor: scale });
const files = (autoencoder: string, model: string, others: Readonly<Record<string, string>> = {}) => ({
  'a.yaml': pipelineText({
    autoencoder,
    model,
    latents: undefined,
    train: undefined,
    images: undefined,
    report: undefined,
    sample: '{ uses: sample, model: model, autoencoder: autoencoder, count: 4 }',
  }),
  ...others,
});
const taken = '{ uses: autoencoder, weights: vae }';
const checkpoint = '{ uses: pretrained, path: a.pt }';

it('refuses an assumed scale beside an autoencoder whose latents are known to have another', async () => {
  expect(await messagesOf(files(taken, checkpoint, { 'vae/config.json': config(0.13025) })))
    .toMatchInlineSnapshot(`
    "a.yaml:4:34 error scale-unknown: \`model\` is assumed to be trained on latents that were multiplied by 0.18215, as its file does not tell; latents of \`autoencoder\` are multiplied by 0.13025.
          sample: { uses: sample, model: model, autoencoder: autoencoder, count: 4 }
                                         ^^^^^
      Set \`scalingFactor\` of \`model\` to the factor on its latents in training.
      a.yaml:5:36 stages.model.path is here
          model: { uses: pretrained, path: a.pt }
                                           ^^^^"
  `);
  const trained = {
    'a.yaml': pipelineText({
      model: checkpoint,
      sample: '{ uses: sample, model: model, autoencoder: autoencoder, count: 4 }',
    }),
  };
  expect(await messagesOf(trained)).toContain(
    '`autoencoder`, which is trained here, has latents of another scale.',
  );
  const start =
    '{ uses: train, start: model, latents: latents, steps: 1, model: { name: SiT-S/2, mediators: 4 } }';
  expect(await messagesOf({ 'a.yaml': pipelineText({ model: checkpoint, second: start }) })).toMatch(
    /a\.yaml:10:33 error scale-unknown/,
  );
  const taught = start.replace('start: model', 'teacher: { model: model }');
  expect(await messagesOf({ 'a.yaml': pipelineText({ model: checkpoint, second: taught }) })).toMatch(
    /a\.yaml:10:44 error scale-unknown/,
  );
});

it.each([
  ['it is said', '{ uses: pretrained, path: a.pt, scalingFactor: 0.13025 }', 0.13025, {}],
  ['it is the same', checkpoint, 0.18215, {}],
  ['the model tells its own', '{ uses: pretrained, path: model }', 0.13025, {}],
  [
    'the model tells its own beside it',
    '{ uses: pretrained, path: m/a.safetensors }',
    0.13025,
    { 'm/model.json': '{}' },
  ],
])('accepts a scale where %s', async (_, model, scale, others) => {
  expect(await messagesOf(files(taken, model, { 'vae/config.json': config(scale), ...others }))).toBe('');
});

it.each([1, 4])('refuses an autoencoder of %d channels at its line', async (channels) => {
  const vae = JSON.stringify({ block_out_channels: [32, 64], in_channels: channels, out_channels: channels });
  const told = await messagesOf(
    files(taken, '{ uses: pretrained, path: model }', { 'vae/config.json': vae }),
  );
  expect(told).toMatch(/^a\.yaml:3:46 error autoencoder-unsupported: /);
  expect(told).toContain(`"in_channels" is ${channels}, 3 is expected`);
});
