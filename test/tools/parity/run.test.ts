import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../../src/formats/safetensors/writer.js';
import { fixtureKinds } from '../../../tools/parity/fixture-kinds.js';
import { checkFolder, type ParityResult } from '../../../tools/parity/run.js';
import { fixturePath } from '../../support/fixture-checks.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parity-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function results(of = folder): Promise<ParityResult[]> {
  const all: ParityResult[] = [];
  for await (const result of checkFolder(of, fixtureKinds)) all.push(result);
  return all;
}
const failed = async () => (await results()).filter(({ passed }) => !passed);

/** Copies a fixture with some of its tensors changed. */
async function changed(file: string, change: (name: string, data: Float32Array | Float64Array) => void) {
  const source = await openSafetensors(fixturePath(file));
  const tensors = await Promise.all(
    [...source.tensors.keys()].map(async (name) => {
      const tensor = await source.read(name);
      change(name, tensor.data as Float32Array);
      return { name, ...tensor };
    }),
  );
  await writeSafetensors(join(folder, file), tensors, source.metadata);
  await source.close();
}

describe('checkFolder', () => {
  it('passes what agrees, in both executions', async () => {
    await copyFile(fixturePath('switching_0.safetensors'), join(folder, 'switching_0.safetensors'));
    await mkdir(join(folder, 'a folder'));
    await writeFile(join(folder, '.hidden'), '');
    const all = await results();
    expect(all.every(({ passed }) => passed)).toBe(true);
    expect(new Set(all.map(({ execution }) => execution))).toEqual(new Set(['eager', 'traced']));
  });

  it('finds the number that is wrong and tells its place', async () => {
    await changed('transport.safetensors', (name, data) => {
      if (name === 'VP.noise.drift') data[6 * 6 * 4 + 7]! += 0.5;
    });
    const wrong = await failed();
    expect(wrong.map(({ check, execution }) => `${check} ${execution ?? ''}`)).toEqual([
      'VP.noise.drift eager',
      'VP.noise.drift traced',
    ]);
    expect(wrong[0]!.text).toMatch(/= 0\.500 at \[1, 0, 1, 1\], allowed/);
  });

  it('finds figures that are wrong', async () => {
    await changed('metrics.safetensors', (name, data) => {
      if (name === 'features_sample') data[0]! += 3;
    });
    expect((await failed()).map(({ check }) => check)).toContain('frechet_distance');
  });

  it('fails what it does not understand: a kind, a tensor, a companion without its file, a broken file', async () => {
    await writeFile(join(folder, 'perplexity.safetensors'), 'unknown');
    await writeFile(join(folder, 'sampler_Linear_velocity.safetensors'), 'broken');
    await copyFile(
      fixturePath('reference_checkpoint.safetensors'),
      join(folder, 'reference_checkpoint.safetensors'),
    );
    await writeSafetensors(
      join(folder, 'center_crop.safetensors'),
      [{ name: 'extra', dtype: 'U8', shape: [1], data: Uint8Array.of(1) }],
      { spec: '{"size": 4}' },
    );
    const byFile = new Map<string, ParityResult>((await failed()).map((result) => [result.file, result]));
    expect(byFile.get('perplexity.safetensors')!.text).toBe('no check is known for this kind of file');
    expect(byFile.get('reference_checkpoint.safetensors')!.text).toBe(
      'no check is known for this kind of file',
    );
    expect(byFile.get('sampler_Linear_velocity.safetensors')!.text).toContain('not a valid safetensors file');
    expect(byFile.get('center_crop.safetensors')!.text).toContain('no check is known for it');
  });

  it('takes a checkpoint and its tensors together', async () => {
    for (const name of ['reference_checkpoint.pt', 'reference_checkpoint.safetensors'])
      await copyFile(fixturePath(name), join(folder, name));
    const all = await results();
    expect(all.filter(({ passed }) => !passed)).toEqual([]);
    expect(all.length).toBeGreaterThan(50);
  });

  it('wants a folder with files', async () => {
    await expect(results()).rejects.toThrow('expected fixture files, found none');
    await expect(results(join(folder, 'nowhere'))).rejects.toThrow('nowhere');
  });
});
