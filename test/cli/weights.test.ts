import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';
import { digest } from '../support/digest.js';
import { fixturePath } from '../support/fixture-checks.js';
import { runCommand } from '../support/run-command.js';

let folder: string;
const path = (...parts: string[]) => join(folder, ...parts);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights '));
  await copyFile(fixturePath('reference_checkpoint.pt'), path('reference.pt'));
  await mkdir(path('vae'));
  await copyFile(fixturePath('autoencoder_kl.config.json'), path('vae', 'config.json'));
  const file = await openSafetensors(fixturePath('autoencoder_kl.safetensors'));
  const names = [...file.tensors.keys()].filter((name) => name.startsWith('param.'));
  const tensors = await Promise.all(
    names.map(async (name) => ({ name: name.slice('param.'.length), ...(await file.read(name)) })),
  );
  await file.close();
  await writeSafetensors(path('vae', 'diffusion_pytorch_model.safetensors'), tensors, { format: 'pt' });
});
afterAll(() => rm(folder, { recursive: true }));

const pipeline = (...args: string[]) =>
  runCommand(args, { HF_HUB_OFFLINE: '1', HF_HOME: path('hub'), PIPELINE_RUNS: path('runs') });

/** A file of float32 weights, with a last number that float16 cannot hold. */
async function outOfRange(file: string): Promise<Buffer> {
  const bytes = await readFile(file);
  bytes.writeFloatLE(70000, bytes.length - 4);
  return bytes;
}

const digests = async (directory: string, names: readonly string[]) =>
  Promise.all(names.map((name) => digest(path(directory, name))));

describe('pipeline import and export', () => {
  it('give a model back as it was', async () => {
    const made = await pipeline('import', path('reference.pt'), path('ours'));
    expect(made).toMatchObject({
      exitCode: 0,
      stderr: 'Weights: `model`; their moving average: `ema`.\n',
    });
    expect(made.stdout).toMatch(/ours: model, \d+ kB\n$/);
    expect((await readdir(path('ours'))).sort()).toEqual([
      'ema.safetensors',
      'model.json',
      'weights.safetensors',
    ]);
    const { exitCode, stdout } = await pipeline('export', path('ours'), path('back.pt'), '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'model',
      path: path('back.pt'),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    await pipeline('import', path('back.pt'), path('again'));
    const names = ['weights.safetensors', 'ema.safetensors', 'model.json'];
    expect(await digests('again', names)).toEqual(await digests('ours', names));
  });

  it('say what a file of the reference has no place for', async () => {
    await pipeline('import', path('reference.pt'), path('told'));
    const description = path('told', 'model.json');
    const told = async (target: string, changes: object) => {
      const saved = JSON.parse(await readFile(description, 'utf8')) as object;
      await writeFile(description, JSON.stringify({ ...saved, ...changes }));
      const { exitCode, stderr } = await pipeline('export', path('told'), path(target), '--force');
      expect(exitCode, stderr).toBe(0);
      return stderr;
    };
    expect(await told('told.pt', {})).toBe('');
    const one = [1, 1, 1, 1];
    const normalization = { mean: one, std: one };
    expect(await told('told.pt', { normalization })).toBe(
      'Not in this file: the scale of the latents. A folder of this project has it (--format own).\n',
    );
    const { config } = JSON.parse(await readFile(description, 'utf8')) as { config: { classes: number } };
    const classes = Array.from({ length: config.classes }, (_, label) => `class ${label}`);
    const changes = { classes, guided: true, interpolant: 'gvp' };
    const both = 'the scale of the latents; the names of the classes; ';
    const guided = 'that the model draws guided samples itself.';
    expect(await told('told.pt', changes)).toContain(`${both}${guided}`);
    expect(await told('told.safetensors', {})).toContain(`${both}\`interpolant: gvp\`; ${guided}`);
    expect(await told('told-folder', {})).toBe('');
  });

  it('give an autoencoder back as it was', async () => {
    expect(await pipeline('import', path('vae'), path('our-vae'))).toMatchObject({ exitCode: 0 });
    expect(await pipeline('export', path('our-vae'), path('vae-back'))).toMatchObject({ exitCode: 0 });
    const name = 'diffusion_pytorch_model.safetensors';
    expect(await digests('vae-back', [name])).toEqual(await digests('vae', [name]));
    const configIn = async (directory: string) =>
      JSON.parse(await readFile(path(directory, 'config.json'), 'utf8')) as Record<string, unknown>;
    // The size of the images that it was trained on is not part of a model here.
    expect({ ...(await configIn('vae-back')), sample_size: 32 }).toEqual(await configIn('vae'));
  });

  it('write one set of weights in half the bytes, rounded once', async () => {
    await pipeline('import', path('reference.pt'), path('whole'));
    const weightsIn = async (directory: string, file = 'weights.safetensors') => {
      const opened = await openSafetensors(path(directory, file));
      const read = [...opened.tensors.keys()].map(
        async (name) => [name, await opened.readFloat32(name)] as const,
      );
      const tensors = new Map(await Promise.all(read));
      await opened.close();
      return tensors;
    };
    const exact = await weightsIn('whole', 'ema.safetensors');
    // Half a unit of the last of 10 bits, or of 7; numbers below the normal ones of float16 are 2^-24 apart.
    for (const [dtype, relative] of [
      ['float16', 2 ** -11],
      ['bfloat16', 2 ** -8],
    ] as const) {
      const made = await pipeline('export', path('whole'), path(dtype), '--weights', 'ema', '--dtype', dtype);
      expect(made).toMatchObject({ exitCode: 0, stderr: '' });
      expect((await readdir(path(dtype))).sort()).toEqual(['model.json', 'weights.safetensors']);
      const rounded = await weightsIn(dtype);
      expect([...rounded.keys()].sort()).toEqual([...exact.keys()].sort());
      let differing = 0;
      for (const [name, values] of exact)
        values.forEach((value, i) => {
          const error = Math.abs(rounded.get(name)![i]! - value);
          differing += error > 0 ? 1 : 0;
          expect(error, name).toBeLessThanOrEqual(Math.max(relative * Math.abs(value), 2 ** -25));
        });
      expect(differing).toBeGreaterThan(0);
      const bytes = (await readFile(path(dtype, 'weights.safetensors'))).length;
      expect(bytes).toBeLessThan(0.6 * (await readFile(path('whole', 'ema.safetensors'))).length);
      // What is exported again is the same.
      expect((await pipeline('export', path(dtype), path(`${dtype} again`), '--dtype', dtype)).exitCode).toBe(
        0,
      );
      expect(await digests(`${dtype} again`, ['weights.safetensors'])).toEqual(
        await digests(dtype, ['weights.safetensors']),
      );
    }
    await pipeline('import', path('vae'), path('whole-vae'));
    for (const format of ['own', 'diffusers'])
      expect(
        await pipeline(
          'export',
          path('whole-vae'),
          path(`vae ${format}`),
          ...['--format', format],
          ...['--dtype', 'float16'],
        ),
      ).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/autoencoder, \d+ kB/) as string });
    const refused = await pipeline('export', path('whole'), path('half.pt'), '--dtype', 'float16');
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('--dtype would change nothing: pt is written in float32');
    await writeFile(
      path('float16', 'weights.safetensors'),
      await outOfRange(path('whole', 'weights.safetensors')),
    );
    const large = await pipeline('export', path('float16'), path('large'), '--dtype', 'float16');
    expect(large.exitCode).toBe(1);
    expect(large.stderr).toContain('float16 holds numbers up to 65504, and the weights hold 70000.');
    expect(existsSync(path('large'))).toBe(false);
  });

  it('take the output of a stage by its name in the file', async () => {
    const file = path('p.yaml');
    await writeFile(file, 'name: weights\nstages:\n  model: { uses: pretrained, path: reference.pt }\n');
    const early = await pipeline('export', `${file}#model`, path('early.pt'));
    expect(early).toMatchObject({ exitCode: 1 });
    expect(early.stderr).toMatch(
      /model of .*p\.yaml has no output as the file is now\.\n {2}Run: npx pipeline run/,
    );
    expect((await pipeline('run', file)).exitCode).toBe(0);
    expect(
      (await pipeline('export', `${file}#model`, path('stage.safetensors'), '--weights', 'raw')).exitCode,
    ).toBe(0);
    const latest = path('runs', 'weights', 'latest', 'model');
    expect((await pipeline('export', latest, path('latest.safetensors'), '--weights', 'raw')).exitCode).toBe(
      0,
    );
    expect(await digest(path('latest.safetensors'))).toBe(await digest(path('stage.safetensors')));
    expect((await pipeline('export', `${file}#none`, path('none.pt'))).exitCode).toBe(2);
  });
});

it('a model whose latents are scaled otherwise than the autoencoder says is sampled with a warning', async () => {
  const file = path('scales.yaml');
  const stages = (scale: string) => `name: scales
runtime: { device: cpu, threads: 1 }
stages:
  model: { uses: pretrained, path: reference.pt, ${scale} }
  autoencoder: { uses: autoencoder, weights: vae }
  sample: { uses: sample, model: model, autoencoder: autoencoder, count: 1, guidanceScale: 1, sampler: { kind: ode, method: euler, steps: 2 } }
`;
  await writeFile(file, stages('scalingFactor: 0.3611, shiftFactor: 0.1159'));
  const differing = await pipeline('run', file);
  expect(differing.exitCode).toBe(0);
  expect((differing.stdout + differing.stderr).replace(/\s+/g, ' ')).toContain(
    'model was trained on latents that are reduced by 0.1159 and multiplied by 0.3611; those of autoencoder are multiplied by 0.18215.',
  );
  await writeFile(file, stages('scalingFactor: 0.18215'));
  const same = await pipeline('run', file);
  expect(same.exitCode).toBe(0);
  expect(same.stdout + same.stderr).not.toContain('was trained on latents that are');
  // A stage without weights of its own: those that it drew with are named.
  for (const name of [`${file}#sample`, 'sample'])
    expect(await pipeline('export', name, path('sample.pt'))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(
        'sample is a stage of kind sample, whose output holds no weights.\n  Name a stage that has some: model or autoencoder.',
      ) as string,
    });
});

describe('options', () => {
  it('are checked before anything is read, and refused where they would change nothing', async () => {
    const problems = async (...args: string[]) => {
      const { exitCode, stderr } = await pipeline(...args);
      expect(exitCode).toBe(2);
      return stderr;
    };
    const to = path('refused');
    for (const [option, value, message] of [
      ['--heads', '2.5', 'A whole number of at least 1 was expected.'],
      ['--label-dropout', '7', 'A number from 0 to 1 was expected.'],
      ['--scaling-factor', '0', 'A number above 0 was expected.'],
      ['--shift-factor', 'x', 'A number of any size was expected.'],
    ] as const)
      expect(await problems('import', path('reference.pt'), to, option, value)).toContain(message);
    for (const option of [
      ['--heads', '2'],
      ['--prediction', 'noise'],
      ['--weights', 'ema'],
    ])
      expect(await problems('import', path('vae'), to, ...option)).toContain(
        `${option[0]} would change nothing: these are the weights of an autoencoder`,
      );
    expect(await problems('export', path('reference.pt'), path('raw.pt'), '--weights', 'raw')).toContain(
      '--weights would change nothing',
    );
    expect(existsSync(to)).toBe(false);
    // The target comes before the source, which may have to be fetched.
    await mkdir(path('taken'));
    await writeFile(path('taken', 'thesis.txt'), '');
    expect(await problems('import', 'nobody/nothing', path('taken'))).toContain('other things in it');
    expect(await problems('export', path('none.pt'), path('taken'))).toContain('other things in it');
  });
});

describe('what is there', () => {
  it('is not overwritten without --force, and never where it is something else', async () => {
    await mkdir(path('mine'));
    await writeFile(path('mine', 'thesis.txt'), 'years of work');
    const refused = await pipeline('import', path('reference.pt'), path('mine'), '--force');
    expect(refused).toMatchObject({ exitCode: 2 });
    expect(refused.stderr).toMatch(/mine is a folder with other things in it/);
    expect(await readdir(path('mine'))).toEqual(['thesis.txt']);

    await writeFile(path('there.pt'), 'old');
    const kept = await pipeline('export', path('reference.pt'), path('there.pt'));
    expect(kept).toMatchObject({ exitCode: 2 });
    expect(await readFile(path('there.pt'), 'utf8')).toBe('old');
    expect((await pipeline('export', path('reference.pt'), path('there.pt'), '--force')).exitCode).toBe(0);

    await pipeline('import', path('reference.pt'), path('twice'));
    expect((await pipeline('import', path('reference.pt'), path('twice'))).exitCode).toBe(2);
    expect((await pipeline('import', path('vae'), path('twice'), '--force')).exitCode).toBe(0);
    expect((await readdir(path('twice'))).sort()).toEqual(['autoencoder.json', 'weights.safetensors']);
  });

  it('stays, and nothing half-made appears, where the source is wrong', async () => {
    await writeFile(path('broken.pt'), 'PK\u0003\u0004 and no more');
    const { exitCode, stderr } = await pipeline('import', path('broken.pt'), path('nothing'));
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error: .*broken\.pt: /);
    expect(existsSync(path('nothing'))).toBe(false);
    expect((await readdir(folder)).filter((name) => name.includes('partial'))).toEqual([]);
  });
});

describe('mistakes', () => {
  it.each([
    [['export', 'vae', 'a.pt'], /An autoencoder cannot be written as pt/, 2],
    [['import', 'none.pt', 'a'], /none\.pt: there is no such file or folder/, 2],
    [['import', 'lab/vae', 'a'], /lab\/vae@main is not in .*nothing may be downloaded/, 1],
    [['import', 'reference.pt', 'a', '--interpolant', 'vq'], /Allowed choices are linear, gvp, vp/, 2],
    [['import', 'reference.pt', 'a', '--heads', 'many'], /A whole number of at least 1/, 2],
  ] as const)('%j', async (args, message, code) => {
    const [command, source, ...rest] = args;
    const name = source.includes('/') ? source : path(source);
    const { exitCode, stderr } = await pipeline(command, name, path(rest[0]), ...rest.slice(1));
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(code);
  });
});
