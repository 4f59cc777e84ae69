import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlan } from '../../src/runner/plan/plan.js';
import { checkStages } from '../../src/runner/run/stage-context.js';
import { loadPipeline } from '../../src/stages/load.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { readSavedModel } from '../../src/weights/saved-files.js';
import { failuresOf, runText } from '../support/run-text.js';

let folder: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'unconditional-')));
  for (const name of ['a.png', 'b.png', 'below/c.png', 'below/d.png', 'below/e.png', 'below/f.png']) {
    await mkdir(join(folder, 'photos/below'), { recursive: true });
    const background = { r: name.charCodeAt(name.length - 5) * 2, g: 60, b: 90 };
    await sharp({ create: { width: 16, height: 16, channels: 3, background } })
      .png()
      .toFile(join(folder, 'photos', name));
  }
});
afterAll(() => rm(folder, { recursive: true }));

const stagesOf = (images: string, more: string, train = ''): string => `name: plain
runtime: { device: cpu, threads: 1 }
stages:
  images: { uses: images, path: ${images}, size: 16 }
  autoencoder: { uses: autoencoder, images: images, channels: [8, 16], steps: 2, batch: 4 }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train: { uses: train, latents: latents, model: { hiddenSize: 16, depth: 1, heads: 2, patchSize: 1, mediators: 4 }, steps: 2, globalBatch: 4${train} }
${more}`;

async function load(text: string) {
  const file = join(folder, 'plain.yaml');
  await writeFile(file, text);
  return loadPipeline(file);
}

const run = (text: string) => runText(folder, 'plain.yaml', text);
const drawn = 'uses: sample, model: train, autoencoder: autoencoder, count: 4, sampler: { steps: 4 }';

describe('training without labels', { timeout: 120_000 }, () => {
  it('goes on to samples, their evaluation and a report', async () => {
    const events = await run(
      stagesOf(
        'photos, labels: none',
        `  sample: { ${drawn} }
  evaluate: { uses: evaluate, samples: sample, reference: latents, autoencoder: autoencoder, metrics: [latentFrechetDistance] }
  report: { uses: report, stages: [images, train, sample, evaluate] }
`,
        ', samples: { autoencoder: autoencoder, everySteps: 2, count: 2, steps: 3, guidanceScale: 1 }',
      ),
    );
    expect(failuresOf(events)).toEqual([]);
    const output = (stage: string) => join(folder, 'runs/plain/latest', stage);
    const { config, classes } = await readSavedModel(output('train'));
    expect(config).toMatchObject({ classes: 1, labelDropout: 0 });
    expect(classes).toEqual(['all']);
    const samples = JSON.parse(await readFile(join(output('sample'), 'samples.json'), 'utf8')) as object;
    expect(samples).toMatchObject({ classes: ['all'], labels: [0, 0, 0, 0] });
  });

  it.each([
    ['photos, labels: none', 'guidanceScale: 2', ''],
    ['photos, classes: [below]', 'guidance: { scale: 2 }', ''],
    [
      'photos, labels: none',
      'guidanceScale: 1',
      ', samples: { autoencoder: autoencoder, everySteps: 2, guidanceScale: 2 }',
    ],
  ])('refuses guidance before anything runs: %s, %s %s', async (images, guidance, train) => {
    const loaded = await load(stagesOf(images, `  sample: { ${drawn}, ${guidance} }\n`, train));
    if (loaded.ok) throw new Error('expected diagnostics');
    expect(loaded.diagnostics.map(({ code }) => code)).toEqual(['untrained-guidance']);
    expect(loaded.diagnostics[0]!.message).toMatch(/no classes|without classes/);
  });

  it('takes guidance by a weaker model', async () => {
    const more = `  weak: { uses: train, latents: latents, model: { hiddenSize: 16, depth: 1, heads: 2, patchSize: 2, mediators: 0 }, steps: 1, globalBatch: 4 }
  sample: { ${drawn}, guidance: { scale: 2, model: weak } }
`;
    expect(failuresOf(await run(stagesOf('photos, labels: none', more)))).toEqual([]);
  });

  it('refuses to choose classes', async () => {
    const loaded = await load(stagesOf('photos, labels: none, classes: [below]', ''));
    expect(loaded.ok ? [] : loaded.diagnostics.map(({ code }) => code)).toEqual(['no-effect']);
  });
});

describe('one class folder', { timeout: 120_000 }, () => {
  it.each([
    ['sample', stagesOf('photos', `  sample: { ${drawn}, guidanceScale: 2 }\n`)],
    [
      'sample',
      stagesOf('photos', `  sample: { ${drawn}, guidanceScale: 2 }\n`).replace(
        'latents: latents',
        'images: images, autoencoder: autoencoder',
      ),
    ],
    [
      'play',
      stagesOf(
        'photos',
        '  play: { uses: playground, model: train, autoencoder: autoencoder, guidance: { scale: 2 } }\n',
      ),
    ],
    ['train', stagesOf('photos', '', ', samples: { autoencoder: autoencoder, everySteps: 2 }')],
  ])('refuses guidance once the images are found, before anything is computed: %s', async (stage, text) => {
    await rm(join(folder, 'runs'), { recursive: true, force: true });
    const events = await run(text);
    expect(events.flatMap((event) => (event.type === 'stage-failed' ? [event] : []))).toMatchObject([
      { stage, failure: { code: 'untrained-guidance' } },
    ]);
    const begun = events.flatMap((event) => (event.type === 'stage-started' ? [event.stage] : []));
    expect(begun.filter((id) => id !== 'images')).toEqual([]);
  });

  it('is told of, and guidance is refused as soon as that is known', async () => {
    await rm(join(folder, 'runs'), { recursive: true, force: true });
    const events = await run(stagesOf('photos', ''));
    expect(failuresOf(events)).toEqual([]);
    const notices = events.flatMap((event) =>
      event.type === 'stage-event' && event.event.type === 'notice' ? [event.event.message] : [],
    );
    expect(
      notices.filter((notice) => notice.startsWith('All images are of one class, "below"')),
    ).toHaveLength(1);

    for (const text of [
      stagesOf('photos', `  sample: { ${drawn}, guidanceScale: 2 }\n`),
      stagesOf('photos', '', ', gradientClip: 1, samples: { autoencoder: autoencoder, everySteps: 2 }'),
    ]) {
      const loaded = await load(text);
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
      const plan = await makePlan({
        pipeline: loaded.pipeline,
        registry: stageRegistry,
        runsRoot: join(folder, 'runs'),
      });
      await expect(checkStages(plan)).rejects.toMatchObject({ code: 'untrained-guidance' });
    }
  });
});
