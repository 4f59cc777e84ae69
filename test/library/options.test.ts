import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession, openTrainer, sampleOde, sampleSde, SiT, startEngine } from '../../src/index.js';
import { Session } from '../../src/tensorflow/index.js';

const sizes = { hiddenSize: 8, depth: 2, heads: 2, patchSize: 2, latentSize: 4, classes: 2, mediators: 1 };
let model: SiT;
let unguided: SiT;

beforeAll(async () => {
  await startEngine({ device: 'cpu', threads: 1 });
  model = await SiT.create(SiT.configOf(sizes));
  unguided = await SiT.create(SiT.configOf({ ...sizes, labelDropout: 0 }), { session: model.session });
});

afterAll(() => model.close());

it('a model that draws guided samples itself is not guided again, whether it was opened or saved', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'guided-'));
  try {
    const description = join(folder, 'model.json');
    await model.save(folder);
    const saved = JSON.parse(await readFile(description, 'utf8')) as object;
    await writeFile(description, JSON.stringify({ ...saved, guided: true }));
    const guided = await SiT.open(folder, { session: model.session });
    const draw = (guidanceScale: number) => async () =>
      sampleSde(guided, { labels: [0], steps: 3, guidanceScale });
    await expect(draw(2)()).rejects.toThrow('guide them again');
    await expect(draw(1)()).resolves.toBeDefined();
    await guided.save(folder);
    expect(JSON.parse(await readFile(description, 'utf8'))).toMatchObject({ guided: true });
    await guided.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

type Bad = Readonly<Record<string, unknown>>;

describe('options of sampling are held to what `sample` stages are', () => {
  const labels = [0, 1];
  it.each<[Bad, string]>([
    [{ steps: 0 }, '`steps` must be at least 2; `0` was found.'],
    [{ steps: -3 }, '`steps` must be at least 2'],
    [{ steps: 2.5 }, '`steps` must be a whole number'],
    [{ steps: '10' }, '`steps` must be a whole number; the text `10` was found.'],
    [{ steps: NaN }, '`steps` must be a whole number'],
    [{ steps: null }, '`steps` must be a whole number; nothing was found.'],
    [{ stpes: 10 }, '`stpes` is not a key'],
    [{ lastStepSize: 2 }, '`lastStepSize` must be less than 1'],
    [{ lastStepSize: 0 }, 'A last step of size 0'],
    [{ method: 'dopri5' }, '`kind: sde` has no method `dopri5`'],
    [{ method: 'heunn' }, '`method` must be'],
    [{ diffusion: 'sgma' }, '`diffusion` must be'],
    [{ diffusionNorm: -1 }, '`diffusionNorm` must be at least 0'],
    [{ diffusionNorm: Infinity }, '`diffusionNorm` must be a number'],
    [{ sampleEpsilon: 0.7 }, '`sampleEpsilon` must be less than 0.5'],
    [{ featureCache: { interval: 1 } }, '`interval` must be at least 2'],
    [{ guidanceScale: NaN }, '`guidanceScale` must be a number'],
    [{ guidanceScale: -1 }, '`guidanceScale` must be at least 0'],
    [{ guidanceScale: '3' }, '`guidanceScale` must be a number'],
    [{ guidanceChannels: 2 }, '`guidanceChannels` must be'],
    [{ guidanceScale: 2, guidanceInterval: [0.8, 0.2] }, 'nothing would be guided'],
    [{ guidanceScale: 2, guidanceInterval: [0, NaN] }, 'must be a number'],
    [{ firstSteps: 2 }, '`firstSteps` has an effect only with `phases`'],
    [{ switchRatios: [0.5] }, '1 models need 0'],
    [{ labels: [] }, 'a label are needed'],
    [{ labels: [3] }, 'label 3'],
    [{ labels: ['0'] }, 'label 0'],
    [{ seed: 1.5 }, '`seed` must be a whole number'],
    [{ seed: 'x' }, '`seed` must be a whole number'],
    [{ first: -1 }, '`first` must be a whole number'],
    [{ first: NaN }, '`first` must be a whole number'],
  ])('%o', async (options, message) => {
    const draw = async () => sampleSde(model, { labels, ...options });
    await expect(draw()).rejects.toMatchObject({
      code: 'sampling-options',
      message: expect.stringContaining(message) as string,
    });
  });

  it.each<[Bad, string]>([
    [{ lastStep: 'none' }, '`lastStep` has an effect only with `kind: sde`'],
    [{ method: 'dopri5', absoluteTolerance: 0 }, '`absoluteTolerance` must be greater than 0'],
    [{ method: 'adamsBashforth', order: 5 }, '`order` must be at most 4'],
    [{ method: 'heun', order: 2 }, '`order` has an effect only with'],
  ])('of the ODE: %o', async (options, message) => {
    const draw = async () => sampleOde(model, { labels, ...options });
    await expect(draw()).rejects.toThrow(message);
  });

  it('across several models', async () => {
    const draw = async (options: Bad, models = [model, model]) =>
      sampleSde(models, { labels, steps: 6, ...options });
    await expect(draw({ switchRatios: [NaN] })).rejects.toThrow('`switchRatio` must be a number');
    await expect(draw({ switchRatios: [0] })).rejects.toThrow('`switchRatio` must be greater than 0');
    await expect(draw({ switchRatios: [0.5], firstSteps: 4 })).rejects.toThrow('none of the 6 steps');
    await expect(draw({ switchRatios: [0.5], distance: 'max' })).rejects.toThrow('`distance` must be');
    await expect(draw({ switchRatios: [0.5], guidanceScale: 2 }, [model, unguided])).rejects.toThrow(
      'Guidance needs a model that also knows images without a class',
    );
    await expect(draw({ labels: [2], switchRatios: [0.5] }, [model, unguided])).rejects.toThrow('label 2');
  });

  it('tells all at once, and takes what is right', async () => {
    const wrong = async () => sampleSde(model, { labels, steps: 0, lastStepSize: 2 });
    await expect(wrong()).rejects.toThrow(/`steps` must be.*`lastStepSize` must be/);
    const { latents } = await sampleSde(model, { labels: [0, 2], steps: 3, guidanceScale: 2 });
    expect(latents.data.every(Number.isFinite)).toBe(true);
  });
});

describe('sizes of a model are held to what `train` stages are', () => {
  it.each<[Bad, string]>([
    [{ mediators: 5 }, '`mediators` must be a perfect square'],
    [{ mediators: 9 }, '9 mediators do not fit'],
    [{ mediators: [1] }, 'one for each of the 2 blocks'],
    [{ mediators: NaN }, '`mediators` must be'],
    [{ hiddenSize: 6 }, 'cannot be divided by 4'],
    [{ heads: 3 }, 'cannot be divided by 3'],
    [{ heads: 0 }, '`heads` must be at least 1'],
    [{ depth: 0, mediators: [] }, '`depth` must be at least 1'],
    [{ depth: 1.5 }, '`depth` must be a whole number'],
    [{ patchSize: 3 }, 'cannot be divided into patches of 3'],
    [{ labelDropout: 1 }, '`labelDropout` must be less than 1'],
    [{ labelDropout: NaN }, '`labelDropout` must be a number'],
    [{ qkNorm: 'yes' }, '`qkNorm` must be true or false'],
    [{ latentSize: 4.5 }, '`latentSize` must be a whole number'],
    [{ classes: 0 }, '`classes` must be a whole number'],
    [{ channels: '4' }, '`channels` must be a whole number'],
    [{ name: 'SiT-S/2' }, '`model` takes either'],
    [{ hidenSize: 8 }, '`hidenSize` is not a key'],
  ])('%o', (options, message) => {
    expect(() => SiT.configOf({ ...sizes, ...options })).toThrow(
      expect.objectContaining({ code: 'model-options', message: expect.stringContaining(message) as string }),
    );
  });

  it('of a model that is made of them', async () => {
    const config = SiT.configOf(sizes);
    const refused = (options: Bad, changed: Bad = {}) =>
      expect(SiT.create({ ...config, ...changed }, options as never)).rejects;
    await refused({}, { mediators: [1] }).toThrow('one for each of the 2 blocks');
    await refused({ transport: { interpolant: 'liner', prediction: 'noise' } }).toThrow(
      '`interpolant` must be',
    );
    await refused({ classes: ['a', 'a'] }).toThrow('each of the 2 classes once');
    await refused({ normalization: { mean: [0], std: [1] } }).toThrow('each of the 4 channels');
  });

  it('takes the names of the paper', () => {
    const config = SiT.configOf({ name: 'SiT-S/2', latentSize: 32, classes: 1000, mediators: 64 });
    expect(config).toMatchObject({ hiddenSize: 384, depth: 12, heads: 6, patchSize: 2 });
    expect(() =>
      SiT.configOf({ name: 'SiT-Q' as 'SiT-S/2', latentSize: 32, classes: 1, mediators: 0 }),
    ).toThrow('`name` must be');
  });
});

it.each<[Bad, string]>([
  [{ averageDecays: [1] }, 'must be less than 1'],
  [{ averageDecays: [] }, 'at least 1 item'],
  [{ gradientClip: NaN }, '`gradientClip` must be a number'],
  [{ optimizer: { betas: [0.9, 1], epsilon: 1e-8, weightDecay: 0 } }, 'must be less than 1'],
  [{ optimizer: { betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: -1 } }, '`weightDecay` must be at least 0'],
])('options of a trainer are held to what `train` stages are: %o', async (options, message) => {
  const session = openSession();
  const open = () =>
    openTrainer(session, {
      parameters: [],
      inputs: {},
      loss: () => ({ loss: undefined as never }),
      optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
      averageDecays: [0.9],
      gradientClip: 0,
      ...options,
    });
  expect(open).toThrow(
    expect.objectContaining({
      code: 'training-options',
      message: expect.stringContaining(message) as string,
    }),
  );
  await session.close();
});

it.each<[Bad, string]>([
  [{ precision: 'float64' }, 'precision must be float32, bfloat16 or float16; "float64" was found'],
  [{ precison: 'bfloat16' }, 'there is no option precison'],
  [{ device: 'gpu:0' }, 'device must be auto, cpu or gpu'],
  [{ threads: -1 }, 'threads must be a whole number of at least 0; -1 was found'],
  [{ threads: 2.5 }, 'threads must be'],
  [{ threads: NaN }, 'threads must be'],
  [{ xla: 'no' }, 'xla must be true or false; "no" was found'],
])('options of what computes are checked wherever they are given: %o', async (runtime, message) => {
  const refused = expect.objectContaining({
    code: 'runtime-options',
    message: expect.stringContaining(message) as string,
  }) as Error;
  await expect(startEngine(runtime)).rejects.toEqual(refused);
  expect(() => openSession(runtime)).toThrow(refused);
  expect(() => new Session(runtime)).toThrow(refused);
  await expect(SiT.create(SiT.configOf(sizes), { runtime })).rejects.toEqual(refused);
});

it('takes the options of a pipeline, with those that say who computes', async () => {
  const runtime = { device: 'cpu', precision: 'float32', threads: 1, workers: 2, retries: 1 } as const;
  await openSession(runtime).close();
});
