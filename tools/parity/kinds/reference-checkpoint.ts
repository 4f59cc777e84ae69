import type { TorchValue } from '../../../src/formats/pytorch/checkpoint.js';
import { openTorchCheckpoint } from '../../../src/formats/pytorch/read.js';
import { TorchTensor } from '../../../src/formats/pytorch/tensor.js';
import { type Check, expectNear, type HostFixtureKind } from '../check.js';
import { readFixture } from '../fixture.js';

/** Parts that the reference saves: both sets of weights. */
const parts = ['model', 'ema'];

/** A checkpoint of the reference, as PyTorch wrote it, beside the tensors that PyTorch finds in it. */
export const referenceCheckpointKind: HostFixtureKind = {
  name: 'reference_checkpoint',
  files: /^reference_checkpoint.*\.pt$/,
  companions: /^reference_checkpoint.*\.safetensors$/,
  programs: false,
  async checks(path) {
    const { tensors, spec } = await readFixture(path.replace(/\.pt$/, '.safetensors'));
    const checkpoint = await openTorchCheckpoint(path);
    const found = new Map<string, TorchTensor>();
    for (const part of parts)
      for (const [name, value] of Object.entries(recordOf(memberOf(checkpoint.value, part))))
        if (value instanceof TorchTensor) found.set(`${part}.${name}`, value);
    await checkpoint.close();

    const names = [...new Set([...tensors.keys(), ...found.keys()])];
    const counters = ['epoch', 'train_steps'].filter((key) => typeof spec[key] === 'number');
    return [
      ...counters.map((key) =>
        expectNear(key, spec[key] as number, {}, () => Number(memberOf(checkpoint.value, key))),
      ),
      ...names.map((name): Check => {
        const expected = tensors.get(name);
        const tensor = found.get(name);
        if (expected === undefined || tensor === undefined)
          return absent(name, expected === undefined ? 'the fixture' : 'the checkpoint');
        return expectNear(name, expected, {}, () => readFrom(path, name));
      }),
    ];
  },
};

/** Reads one tensor of a checkpoint, which is open for as long as that takes. */
async function readFrom(path: string, name: string): ReturnType<TorchTensor['read']> {
  const [part = '', ...rest] = name.split('.');
  const checkpoint = await openTorchCheckpoint(path);
  try {
    return await (memberOf(memberOf(checkpoint.value, part), rest.join('.')) as TorchTensor).read();
  } finally {
    await checkpoint.close();
  }
}

function absent(name: string, where: string): Check {
  return {
    name,
    run: () => Promise.resolve({ passed: false, difference: NaN, text: `${where} does not hold it` }),
  };
}

function memberOf(value: TorchValue | undefined, key: string): TorchValue | undefined {
  return recordOf(value)[key];
}

function recordOf(value: TorchValue | undefined): Readonly<Record<string, TorchValue>> {
  return typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof TorchTensor)
    ? (value as Record<string, TorchValue>)
    : {};
}
