import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sitParameters } from '../../../src/models/sit/config.js';
import type { PlannedInput } from '../../../src/runner/stage.js';
import { requirePlannedGuidable } from '../../../src/stages/shared/guidance.js';
import { collect, drawLatents } from '../../../src/stages/train/draw.js';
import { float32, floats, sizeOf, startEngine } from '../../../src/tensorflow/index.js';
import { writeSavedModel } from '../../../src/weights/saved-files.js';
import { namedModel } from '../../../tools/bench/model.js';
import { messages, pipelineText } from '../../runner/pipelines.js';

const model = 'steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }';
/** Trainings after which a model draws guided samples by itself. */
const guided = {
  modelGuidance: `{ uses: train, latents: latents, ${model}, modelGuidance: { scale: 1.5, fromStep: 0 } }`,
  'teacher.guidanceScale': `{ uses: train, latents: latents, ${model}, teacher: { model: plain, guidanceScale: 2 } }`,
  'teacher.model': `{ uses: train, latents: latents, ${model}, teacher: { model: first } }`,
};
/** One that teaches `train` of the last, taught by one that draws guided samples. */
const first = `{ uses: train, latents: latents, ${model}, teacher: { model: folded } }`;
const folded = `{ uses: train, latents: latents, ${model}, modelGuidance: {} }`;
const pictures = 'everySteps: 5, autoencoder: autoencoder';
/** Every part of a pipeline that draws guided samples of `train`, by the key that says so. */
const drawing: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'sample.guidanceScale': {
    sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceScale: 2 }',
  },
  'sample.guidance': {
    sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidance: { scale: 2 } }',
  },
  'sample.phases': {
    sample:
      '{ uses: sample, phases: [{ model: plain, switchRatio: 0.9 }, { model: train }], autoencoder: autoencoder, count: 4, guidanceScale: 2 }',
  },
  playground: { page: '{ uses: playground, model: train, autoencoder: autoencoder, guidanceScale: 2 }' },
  draw: { drawn: '{ uses: draw, model: train, count: 8, guidanceScale: 2 }' },
  teacher: {
    pupil: `{ uses: train, latents: latents, ${model}, teacher: { model: train, guidanceScale: 2 } }`,
  },
};
const plain = `{ uses: train, latents: latents, ${model} }`;

it.each(Object.entries(guided))(
  'a model is not guided that %s guides already, wherever it draws',
  async (key, train) => {
    for (const [place, stages] of Object.entries(drawing)) {
      const found = (changes: Readonly<Record<string, string>>) =>
        messages(pipelineText({ plain, folded, first, train, report: undefined, ...changes }));
      const said = await found(stages);
      expect(said, place).toContain('error guided-twice');
      expect(said, place).toContain(`\`train\` draws guided samples itself, by \`${key}\``);
      const unguided = Object.entries(stages).map(([id, stage]) => [id, stage.replace(/(cale): 2/, '$1: 1')]);
      expect(await found(Object.fromEntries(unguided) as Record<string, string>), place).toBe('');
    }
    for (const part of [`samples: { ${pictures}`, `evaluate: { ${pictures}, reference: images`]) {
      const own = (scale: number) => train.replace(/ }$/, `, ${part}, guidanceScale: ${scale} } }`);
      const found = (scale: number) =>
        messages(
          pipelineText({ plain, folded, first, train: own(scale), sample: undefined, report: undefined }),
        );
      expect(await found(2), part).toContain('error guided-twice');
      expect(await found(1), part).toBe('');
    }
  },
);

it('a model without a null class is guided nowhere', async () => {
  const train = plain.replace('mediators: 4', 'mediators: 4, labelDropout: 0');
  for (const [place, stages] of Object.entries(drawing))
    expect(await messages(pipelineText({ plain, train, report: undefined, ...stages })), place).toContain(
      'error untrained-guidance',
    );
});

it('a weaker model may guide one that draws guided samples itself', async () => {
  const sample =
    '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidance: { scale: 2, model: plain } }';
  const changes = { plain, train: guided.modelGuidance, report: undefined, sample };
  expect(await messages(pipelineText(changes))).toBe('');
});

it('what an output says of its model counts where no training is in the file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guidance-'));
  const config = { ...namedModel('SiT-S/2', 4, 8), labelDropout: 0.1 };
  const of = async (changes: object) => {
    await writeSavedModel(directory, {
      ...{ format: 'sit-1', config, interpolant: 'linear', prediction: 'velocity', classes: [], steps: 1 },
      normalization: { mean: [0], std: [1] },
      weights: { raw: 'a', ema: 'a' },
      ...changes,
    });
    const planned = { kind: 'pretrained', config: {}, output: { directory } } as unknown as PlannedInput;
    await requirePlannedGuidable('model', () => planned);
  };
  await expect(of({})).resolves.toBeUndefined();
  await expect(of({ guided: true })).rejects.toMatchObject({ code: 'guided-twice' });
  await expect(of({ config: { ...config, labelDropout: 0 } })).rejects.toMatchObject({
    code: 'untrained-guidance',
  });
  await rm(directory, { recursive: true });
});

it('latents are drawn over times that are shifted as those of samplers', async () => {
  await startEngine({ device: 'cpu' });
  const small = { ...namedModel('SiT-S/2', 4, 8), hiddenSize: 16, heads: 2, depth: 1, mediators: [4] };
  const weights = Object.fromEntries(
    sitParameters(small).map(({ name, shape }) => [
      name,
      float32(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => 0.3 * Math.sin(i + name.length)),
      ),
    ]),
  );
  const draw = async (timeShift?: number | { baseTokens: number }) => {
    const [drawn] = await collect(
      drawLatents(
        weights,
        {
          ...{ model: small, labels: Int32Array.of(0, 1), steps: 4, seed: 0, stream: 'test', timeShift },
          transport: { interpolant: 'linear', prediction: 'velocity' },
          guidance: { scale: 1, channels: 'all' },
        },
        { device: 'cpu' },
        new AbortController().signal,
      ),
    );
    return floats(drawn!);
  };
  const usual = await draw();
  expect(await draw(1)).toEqual(usual);
  // 16 tokens.
  expect(await draw({ baseTokens: 16 })).toEqual(usual);
  const shifted = await draw(2);
  expect(shifted).not.toEqual(usual);
  expect(await draw({ baseTokens: 4 })).toEqual(shifted);
});
