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
import { load, messages, pipelineText } from '../../runner/pipelines.js';

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

/** Parts of a pipeline that name channels to guide, with a scale to fill in, by the key of the scale. */
const channels: Readonly<Record<string, string>> = {
  'stages.other.guidanceScale':
    '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidanceScale: SCALE, guidanceChannels: 3 }',
  'stages.other.guidance.scale':
    '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, guidance: { scale: SCALE, channels: 3 } }',
  'stages.other.samples.guidanceScale': `{ uses: train, latents: latents, ${model}, samples: { ${pictures}, guidanceScale: SCALE, guidanceChannels: 3 } }`,
  'stages.other.evaluate.guidanceScale': `{ uses: train, latents: latents, ${model}, evaluate: { ${pictures}, reference: images, guidanceScale: SCALE, guidanceChannels: all } }`,
  'stages.other.teacher.guidanceScale': `{ uses: train, latents: latents, ${model}, teacher: { model: train, guidanceScale: SCALE, guidanceChannels: 3 } }`,
};

it.each(Object.entries(channels))('channels that %s: 1 guides none of are warned of', async (key, stage) => {
  const warnings = async (scale: number, head = '') => {
    const loaded = await load(pipelineText({ other: stage.replace('SCALE', String(scale)) }, head));
    if (!loaded.ok) throw new Error(await messages(pipelineText({ other: stage }, head)));
    return loaded.warnings.map(({ code, severity, sourceLine, column }) => ({
      ...{ code, severity },
      at: sourceLine.slice(column - 1, column + 2),
    }));
  };
  const at = key.includes('evaluate') ? 'all' : '3 }';
  expect(await warnings(1)).toEqual([{ code: 'no-effect', severity: 'warning', at }]);
  expect(await warnings(2)).toEqual([]);
  expect(await warnings(1, `sweep: { grid: { ${key}: [1, 2] } }\n`)).toEqual([]);
  expect(await warnings(1, `sweep: { points: [{ ${key}: 1 }, { ${key}: 2 }] }\n`)).toEqual([]);
  expect(await warnings(1, 'sweep: { grid: { seed: [1, 2] } }\n')).toHaveLength(1);
});

it('no page is warned of channels: its guidance can be changed on it', async () => {
  const other =
    '{ uses: playground, model: train, autoencoder: autoencoder, guidanceScale: 1, guidanceChannels: 3 }';
  const loaded = await load(pipelineText({ other }));
  expect(loaded.ok && loaded.warnings).toEqual([]);
});
