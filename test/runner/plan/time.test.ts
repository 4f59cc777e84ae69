import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { environment } from '../../../src/runner/environment.js';
import { fingerprintOf, type Origin } from '../../../src/runner/fingerprint/origin.js';
import { makePlan } from '../../../src/runner/plan/plan.js';
import { expectedTimes } from '../../../src/runner/plan/time.js';
import { formatManifest, outputPlace } from '../../../src/runner/store/manifest.js';
import { toyFolder, toyPipeline, toyStages } from '../toy-pipeline.js';
import { toyRegistry } from '../toy-kinds.js';

/** The toy's training as one whose time goes by its steps, where its inputs are configured alike. */
const timedRegistry = () =>
  toyRegistry({
    train: {
      timing: (config, resolve) => {
        const { steps, latents } = config as { steps: number; latents: string };
        return Promise.resolve({ amount: steps, like: { images: resolve(latents).config as object } });
      },
    },
  });

it('tells the time of a stage from what those like it took on a machine like this one', async () => {
  const folder = await toyFolder();
  const runsRoot = join(folder, 'runs');
  const pipeline = toyPipeline(folder, toyStages());
  const plan = await makePlan({ pipeline, registry: timedRegistry(), runsRoot });
  const time = async () => [...(await expectedTimes(plan))].map(([id, each]) => ({ id, ...each }));
  const [images, train] = ['images', 'train'].map((id) => plan.stages.find(({ stage }) => stage.id === id)!);
  expect(await time()).toEqual([{ id: 'train', records: 0 }]);

  const keep = async (origin: Origin, seconds: number, processor?: string) => {
    const fingerprint = fingerprintOf(origin);
    const { directory } = outputPlace(runsRoot, origin.kind, fingerprint);
    const madeWith = { ...environment({ threads: 0, workers: 1 }), ...(processor && { processor }) };
    await mkdir(directory, { recursive: true });
    await writeFile(
      join(directory, 'manifest.json'),
      formatManifest({
        ...{ format: 2, kind: origin.kind, fingerprint, origin, summary: {}, madeWith, seconds },
        ...{ createdAt: new Date().toISOString(), files: [] },
      }),
    );
    return fingerprint;
  };
  const read = await keep(images!.origin, 1);
  const config = train!.origin.config as { steps: number };
  const trained = (steps: number, seconds: number, processor?: string) =>
    keep(
      {
        ...train!.origin,
        config: { ...config, steps },
        references: train!.origin.references.map((each) => ({ ...each, fingerprint: read })),
      },
      seconds,
      processor,
    );
  await trained(config.steps + 1, 1000, 'another processor');
  expect(await time()).toEqual([{ id: 'train', records: 0 }]);
  await trained(4 * config.steps, 40);
  // A quarter of the work: 10 s, give or take a share that grows with the two halvings.
  const [one] = await time();
  expect(one).toMatchObject({ records: 1, seconds: [expect.closeTo(8, 6), expect.closeTo(12.5, 6)] });
  await trained(2 * config.steps, 24);
  const [both] = await time();
  expect(both).toMatchObject({ records: 2, seconds: [expect.closeTo(8, 6), expect.closeTo(14.4, 6)] });
  // Without what they were made from, nothing tells whether they were alike.
  await rm(outputPlace(runsRoot, 'images', read).directory, { recursive: true });
  expect(await time()).toEqual([{ id: 'train', records: 0 }]);
});
