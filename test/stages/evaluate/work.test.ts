import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { EvaluateConfig } from '../../../src/generated/index.js';
import type { Json, PlannedInput } from '../../../src/runner/stage.js';
import { filesOf } from '../../../src/stages/evaluate/feature-files.js';
import { identities, widths } from '../../../src/stages/evaluate/figures.js';
import { stage } from '../../../src/stages/evaluate/kind.js';
import { writeFeatureWork } from '../../../src/stages/evaluate/work.js';

let cache: string;

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

const config = {
  ...{ uses: 'evaluate', samples: 'sample', reference: 'images', autoencoder: 'autoencoder' },
  ...{ metrics: ['frechetDistance', 'latentFrechetDistance'], latentGrid: 2, batch: 16 },
} as unknown as EvaluateConfig;

/** Stages before an evaluation, none of which has run, and what is known of the images. */
const inputs =
  (known: Pick<PlannedInput, 'foreseen'>) =>
  (id: string): PlannedInput => {
    const configs: Readonly<Record<string, object>> = {
      sample: { count: 20 },
      images: { path: 'photos', size: 64 },
      autoencoder: { channels: [8, 16], latentChannels: 4, downsample: 2, layersPerBlock: 1 },
    };
    return {
      ...{ kind: id, config: configs[id] as Json, fingerprint: `${id} fingerprint` },
      ...(id === 'images' ? known : {}),
    };
  };

it('counts the images whose features no earlier evaluation has stored, by their network', async () => {
  cache = await mkdtemp(join(tmpdir(), 'features-'));
  vi.stubEnv('PIPELINE_CACHE', cache);
  const known = inputs({ foreseen: { images: 100, classes: [] } });
  const amount = async () => (await stage.timing!(config, known))!.amount;
  // It is not known yet how many images there are.
  expect((await stage.timing!(config, inputs({})))!.amount).toBeUndefined();
  expect(await amount()).toEqual({ latents: 120, efficientnet: 120 });
  const network = { identity: identities.efficientnet(), widths: { efficientnet: widths.efficientnet } };
  const files = filesOf(network, { identity: 'images fingerprint' });
  await mkdir(files.folder, { recursive: true });
  const rows = (count: number) => ({
    efficientnet: { count, width: 1280, data: new Float32Array(count * 1280) },
  });
  await files.append(rows(60));
  expect(await amount()).toEqual({ latents: 120, efficientnet: 60 });
  await files.append(rows(40));
  expect(await amount()).toEqual({ latents: 120, efficientnet: 20 });
});

it('takes the work of an earlier evaluation, and its speed, from what that recorded', async () => {
  cache = await mkdtemp(join(tmpdir(), 'features-'));
  const made = { directory: cache };
  const known = inputs({ foreseen: { images: 100, classes: [] } });
  // Outputs of earlier versions, and of several workers, tell nothing.
  expect(await stage.timing!(config, known, made)).toBeUndefined();
  expect(await stage.unitSeconds!(made)).toBeUndefined();
  await writeFeatureWork(cache, {
    latents: { images: 120, seconds: 6 },
    efficientnet: { images: 0, seconds: 0.1 },
  });
  expect((await stage.timing!(config, known, made))!.amount).toEqual({ latents: 120, efficientnet: 0 });
  expect(await stage.unitSeconds!(made)).toEqual({ latents: 0.05 });
  // Nor does one that is cut off.
  await writeFile(join(cache, 'work.json'), '{"latents": {"ima');
  expect(await stage.timing!(config, known, made)).toBeUndefined();
  expect(await stage.unitSeconds!(made)).toBeUndefined();
});
