import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTorchCheckpoint } from '../../src/formats/pytorch/read.js';
import type { TorchTensor } from '../../src/formats/pytorch/tensor.js';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';
import { SiT } from '../../src/library/sit.js';
import { sitParameters, valueShare } from '../../src/models/sit/config.js';
import { fromReference, referencePlace } from '../../src/models/sit/reference-names.js';
import { referenceOrder, referenceShapes } from '../../src/models/sit/reference-state.js';
import { initialize } from '../../src/nn/parameters.js';
import { float32 } from '../../src/tensorflow/index.js';
import type { ModelSource } from '../../src/weights/model-source.js';
import { openModel } from '../../src/weights/open.js';
import { writeReferenceCheckpoint, writeReferenceStateDict } from '../../src/weights/write-reference.js';
import { writeSaved } from '../../src/weights/write.js';
import { fixturePath } from '../support/fixture-checks.js';

type Tensors = Readonly<Record<string, TorchTensor>>;
type Checkpoint = Readonly<Record<string, unknown>> & { readonly model: Tensors; readonly ema: Tensors };
interface Optimizer {
  readonly state: Readonly<Record<string, Tensors>>;
  readonly param_groups: readonly unknown[];
}

const work = { tell: () => undefined, signal: new AbortController().signal };
let folder: string;
let theirs: Checkpoint;
let close: () => Promise<void>;
let source: ModelSource;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'export-'));
  const opened = await openTorchCheckpoint(fixturePath('reference_checkpoint.pt'));
  theirs = opened.value as unknown as Checkpoint;
  close = () => opened.close();
  source = await openModel(fixturePath('reference_checkpoint.pt'), { weights: 'all' });
});
afterAll(async () => {
  await source.close();
  await close();
  await rm(folder, { recursive: true });
});

async function expectSame(found: Tensors, expected: Tensors): Promise<void> {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, tensor] of Object.entries(expected)) {
    const [ours, wanted] = [await found[name]!.read(), await tensor.read()];
    // PyTorch computed the position embedding in float32.
    if (name === 'pos_embed') expect(ours).toBeAllclose(wanted as never, { absolute: 1e-6 });
    else expect(ours, name).toEqual(wanted);
  }
}

describe('a checkpoint for the reference', () => {
  it.each([3, 4, 7])('rotary positions over %d tokens a side, of 4, come back', async (rope) => {
    const sizes = { hiddenSize: 16, depth: 1, heads: 2, patchSize: 2, latentSize: 8, classes: 2 };
    const model = await SiT.create(SiT.configOf({ ...sizes, mediators: 1, rope }));
    const saved = join(folder, `rotary-${rope}`);
    await model.save(saved);
    await model.close();
    const before = await openModel(saved, { weights: 'all' });
    const checkpoint = join(folder, `rotary-${rope}.pt`);
    await writeReferenceCheckpoint(before, checkpoint, work);
    const states = (['float32', 'float16', 'bfloat16'] as const).map((dtype) => ({
      ...{ dtype, path: join(folder, `rotary-${rope}-${dtype}.safetensors`) },
    }));
    for (const { path, dtype } of states)
      await writeReferenceStateDict(before, 'ema', path, { ...work, dtype });
    for (const path of [checkpoint, ...states.map((state) => state.path)]) {
      const after = await openModel(path, { weights: 'all', scalingFactor: 1 });
      expect(after.description.config).toEqual(before.description.config);
      await after.close();
    }
    await before.close();
  });

  it('shares of the first values come back, as SpeedrunDiT names them', async () => {
    const sizes = { hiddenSize: 16, depth: 3, heads: 2, patchSize: 2, latentSize: 8, classes: 2 };
    const config = SiT.configOf({ ...sizes, mediators: [1, 0, 4], valueResidual: true });
    const shares = sitParameters(config).filter(({ name }) => name.endsWith(valueShare('')));
    const drawn = initialize(sitParameters(config), 1);
    const given = shares.map(({ name }, i) => [name, float32([], Float32Array.of(0.25 * (i + 1)))] as const);
    const model = await SiT.create(config, { weights: { ...drawn, ...Object.fromEntries(given) } });
    const saved = join(folder, 'values');
    await model.save(saved);
    await model.close();
    const before = await openModel(saved, { weights: 'all' });
    const paths = ['values.pt', 'values.safetensors'].map((name) => join(folder, name));
    await writeReferenceCheckpoint(before, paths[0]!, work);
    await writeReferenceStateDict(before, 'ema', paths[1]!, { ...work, dtype: 'bfloat16' });
    for (const path of paths) {
      const after = await openModel(path, { weights: 'all', heads: 2 });
      expect(after.description.config).toEqual(before.description.config);
      for (const [i, share] of shares.entries())
        expect(await after.read('ema', share)).toMatchObject({ data: Float32Array.of(0.25 * (i + 1)) });
      await after.close();
    }
    const written = await openTorchCheckpoint(paths[0]!);
    const { model: state } = written.value as unknown as Checkpoint;
    expect(state['blocks.2.attn.v1_lambda']!.shape).toEqual([]);
    await written.close();
    await before.close();
  });

  it('holds what the reference saved, in its order', async () => {
    const path = join(folder, 'plain.pt');
    await writeReferenceCheckpoint(source, path, work);
    const written = await openTorchCheckpoint(path);
    const value = written.value as unknown as Checkpoint;
    await expectSame(value.model, theirs.model);
    await expectSame(value.ema, theirs.ema);
    expect(value).toMatchObject({
      args: { image_size: 64, num_classes: 7, mediator_num: 4, path_type: 'Linear', prediction: 'velocity' },
      train_steps: 42,
    });
    expect(value).not.toHaveProperty('opt');
    await written.close();
  });

  it("keeps AdamW's state where training left it", async () => {
    const output = await trainingOutput(theirs.opt as Optimizer);
    const trained = await openModel(output, { weights: 'all' });
    const path = join(folder, 'trained.pt');
    await writeReferenceCheckpoint(trained, path, work);
    await trained.close();
    const written = await openTorchCheckpoint(path);
    const opt = (written.value as unknown as { opt: Optimizer }).opt;
    const expected = theirs.opt as Optimizer;
    expect(opt.param_groups).toEqual(expected.param_groups);
    expect(Object.keys(opt.state)).toEqual(Object.keys(expected.state));
    for (const [i, state] of Object.entries(expected.state)) await expectSame(opt.state[i]!, state);
    await written.close();
  });

  it('may be a state dict in a safetensors file', async () => {
    const path = join(folder, 'ema.safetensors');
    await writeReferenceStateDict(source, 'ema', path, work);
    const file = await openSafetensors(path);
    expect([...file.tensors.keys()].sort()).toEqual(Object.keys(theirs.ema).sort());
    expect(await file.read('blocks.0.attn.wa_bias')).toEqual(
      await theirs.ema['blocks.0.attn.wa_bias']!.read(),
    );
    expect(file.metadata).toEqual({ format: 'pt' });
    await file.close();
  });

  it('is refused of full attention that the reference does not have', () => {
    const { description } = source;
    const config = { ...description.config, mediators: [4, 0], mediatorExtras: true };
    expect(() =>
      writeReferenceStateDict(
        { ...source, description: { ...description, config } },
        'ema',
        join(folder, 'extras.safetensors'),
        work,
      ),
    ).toThrow('the PyTorch reference has no full attention with the extras of mediators');
  });

  it('stops when it is told to, and leaves nothing', async () => {
    const controller = new AbortController();
    const path = join(folder, 'stopped.pt');
    const tell = (done: number): void => {
      if (done === 3) controller.abort();
    };
    await expect(
      writeReferenceCheckpoint(source, path, { tell, signal: controller.signal }),
    ).rejects.toThrow();
    await expect(openTorchCheckpoint(path)).rejects.toMatchObject({ code: 'file-missing' });
  });
});

it('numbers parameters as PyTorch does, with mediators in some blocks only', () => {
  const config = { ...source.description.config, depth: 11, mediators: [4, ...Array<number>(10).fill(0)] };
  const order = referenceOrder(config);
  expect(new Set(order)).toEqual(new Set(referenceShapes(config).keys()));
  const blocks = order.filter((name) => name.startsWith('blocks.')).map((name) => Number(name.split('.')[1]));
  expect(blocks).toEqual([...blocks].sort((a, b) => a - b));
  expect(
    order.filter((name) => name.startsWith('blocks.10.')).map((name) => name.slice('blocks.10.'.length)),
  ).toEqual(
    ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2', 'adaLN_modulation.1'].flatMap((name) => [
      `${name}.weight`,
      `${name}.bias`,
    ]),
  );
  expect(order.at(0)).toBe('pos_embed');
});

/** What a training stage leaves, with the weights and moments of the reference's checkpoint. */
async function trainingOutput({ state }: Optimizer): Promise<string> {
  const output = join(folder, 'output');
  const checkpoint = join(output, 'checkpoints', 'step-000000042');
  await mkdir(checkpoint, { recursive: true });
  const { config } = source.description;
  const numbers = new Map(referenceOrder(config).map((name, i) => [name, i]));
  const moments = (of: 'exp_avg' | 'exp_avg_sq') =>
    sitParameters(config).map((parameter) => ({
      name: parameter.name,
      dtype: 'F32' as const,
      shape: parameter.shape,
      data: async () => {
        const tensor = state[numbers.get(referencePlace(parameter, config).name)!]![of]!;
        return fromReference((await tensor.read()).data as Float32Array, parameter, config)
          .data as Float32Array;
      },
    }));
  await writeSaved(source, checkpoint, work);
  await writeSafetensors(join(checkpoint, 'firstMoment.safetensors'), moments('exp_avg'));
  await writeSafetensors(join(checkpoint, 'secondMoment.safetensors'), moments('exp_avg_sq'));
  await rm(join(checkpoint, 'model.json'));
  const place = checkpoint.slice(output.length + 1);
  const model = {
    ...source.description,
    weights: { raw: `${place}/weights.safetensors`, ema: `${place}/ema.safetensors` },
  };
  await writeFile(join(output, 'model.json'), JSON.stringify(model));
  const step = Number((await state['1']!.step!.read()).data[0]);
  await writeFile(join(checkpoint, 'manifest.json'), JSON.stringify({ extra: { updates: step } }));
  const adamW = { learningRate: 1e-4, betas: [0.9, 0.999], weightDecay: 0 };
  await writeFile(
    join(dirname(dirname(checkpoint)), 'manifest.json'),
    JSON.stringify({ origin: { config: adamW } }),
  );
  return output;
}
