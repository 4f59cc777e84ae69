import { describe, expect, it } from 'vitest';
import { configsOf, loadFiles, messagesOf } from './files.js';
import { pipelineText } from './pipelines.js';

const base = pipelineText();
const extending = (rest: string, file = 'base.yaml'): string => `extends: ${file}\n${rest}`;

describe('a file that extends another', () => {
  it('has its values, with its own over them: maps merged, lists replaced, null removed', async () => {
    const configs = await configsOf({
      'a.yaml': extending(`stages:
  autoencoder: { channels: [16, 32] }
  train: { steps: null, epochs: 3, model: { mediators: 16 } }
  report: null
`),
      'base.yaml': base,
    });
    expect(Object.keys(configs)).toEqual(['images', 'autoencoder', 'latents', 'train', 'sample']);
    expect(configs).toMatchObject({
      images: { path: 'photos', size: 32 },
      autoencoder: { channels: [16, 32], steps: 10 },
      train: { epochs: 3, model: { hiddenSize: 32, depth: 4, mediators: 16 } },
    });
    expect(configs.train).not.toHaveProperty('steps');
  });

  it('replaces a stage whole where the kind is another', async () => {
    const { sample } = await configsOf({
      'a.yaml': extending('stages: { sample: { uses: report, stages: [train] }, report: null }\n'),
      'base.yaml': base,
    });
    expect(sample).toEqual({ stages: ['train'] });
  });

  it('may extend several, later ones over earlier ones, and they may extend others', async () => {
    const loaded = await loadFiles({
      'a.yaml': 'extends: [parts/one.yaml, parts/two.yaml]\nname: mine\n',
      'parts/one.yaml': extending('seed: 1\nruntime: { threads: 1 }\n', '../base.yaml'),
      'parts/two.yaml': 'runtime: { threads: 2, device: cpu }\n',
      'base.yaml': `${base}runtime: { workers: 2 }\n`,
    });
    expect(loaded.ok && loaded.pipeline).toMatchObject({
      name: 'mine',
      seed: 1,
      runtime: { threads: 2, workers: 2, device: 'cpu' },
    });
    expect(loaded.ok && loaded.files).toEqual(['a.yaml', 'parts/one.yaml', 'base.yaml', 'parts/two.yaml']);
  });

  it('lies once over a base that several of those it extends share', async () => {
    const files = {
      'a.yaml': 'extends: [d1.yaml, d2.yaml]\nname: mine\n',
      'd1.yaml': extending(
        'seed: 1\nruntime: { threads: 1 }\nstages: { train: { steps: null, epochs: 3 } }\n',
      ),
      'd2.yaml': extending('runtime: { workers: 2 }\nstages: { train: { globalBatch: 8 } }\n'),
      'base.yaml': `${base}seed: 9\nruntime: { threads: 3, retries: 4 }\n`,
    };
    const loaded = await loadFiles(files);
    expect(loaded.ok && loaded.pipeline).toMatchObject({
      seed: 1,
      runtime: { threads: 1, workers: 2, retries: 4 },
    });
    expect((await configsOf(files)).train).toMatchObject({ epochs: 3, globalBatch: 8 });
    expect((await configsOf(files)).train).not.toHaveProperty('steps');
    // A base that is named too is below, wherever it would change something; where it would not, that is said.
    expect(await messagesOf({ ...files, 'a.yaml': 'extends: [base.yaml, d1.yaml]\n' })).toBe('');
    expect(await messagesOf({ ...files, 'a.yaml': 'extends: [d1.yaml, base.yaml]\n' }))
      .toMatchInlineSnapshot(`
      "a.yaml:1:20 error no-effect: \`base.yaml\` is already extended by a file named before it: naming it here changes nothing.
          extends: [d1.yaml, base.yaml]
                             ^^^^^^^^^
        Remove it, or name it first."
    `);
  });

  it('keeps anchors and merge keys to their file, and merges what they give', async () => {
    const { train, other } = await configsOf({
      'a.yaml': extending(`stages:
  train: &train { model: &model { mediators: 16 } }
  other: { uses: train, latents: latents, steps: 1, model: { <<: *model, name: SiT-S/2 } }
`),
      'base.yaml': base.replace('mediators: 4', 'mediators: &count 4, labelDropout: 0.2'),
    });
    expect(train).toMatchObject({ model: { mediators: 16, labelDropout: 0.2, depth: 4 } });
    expect(other).toMatchObject({ model: { mediators: 16, labelDropout: 0.1, depth: 12 } });
  });

  it('takes a relative path from the file that it is written in', async () => {
    const files = {
      'sub/a.yaml': extending('stages: { other: { uses: images, path: mine, size: 8 } }\n', '../b/base.yaml'),
      'b/base.yaml': pipelineText({
        images:
          '{ uses: images, path: photos, size: 32, labels: { file: ../labels.csv, image: path, label: photos } }',
        absolute: '{ uses: images, path: /data/photos, size: 32 }',
      }),
    };
    expect(await configsOf(files)).toMatchObject({
      images: { path: '../b/photos', labels: { file: '../labels.csv', image: 'path', label: 'photos' } },
      absolute: { path: '/data/photos' },
      other: { path: 'mine' },
    });
    // Options are written for the pipeline file.
    expect(await configsOf(files, { set: ['stages.images.path=elsewhere'] })).toMatchObject({
      images: { path: 'elsewhere' },
    });
  });

  it('takes weights that lie beside an extended file from there, and leaves names of repositories as they are', async () => {
    const autoencoders = `
  near: { uses: autoencoder, weights: owner/vae }
  dotted: { uses: autoencoder, weights: ./owner/absent }
  far: { uses: autoencoder, weights: stabilityai/sd-vae-ft-ema }
  none: { uses: autoencoder, weights: none }
`;
    const files = {
      'sub/a.yaml': extending('', '../b/base.yaml'),
      'b/base.yaml': base + autoencoders,
      'b/owner/vae/config.json': '{ "block_out_channels": [32] }',
    };
    expect(await configsOf(files)).toMatchObject({
      near: { weights: '../b/owner/vae' },
      dotted: { weights: '../b/owner/absent' },
      far: { weights: 'stabilityai/sd-vae-ft-ema' },
      none: { weights: 'none' },
    });
  });

  it('tells where each value was written', async () => {
    const loaded = await loadFiles(
      { 'a.yaml': extending('stages:\n  train: { model: { mediators: 16 } }\n'), 'base.yaml': base },
      { set: ['seed=1', 'stages.sample.count=5'] },
    );
    if (!loaded.ok) throw new Error('not loaded');
    const at = (path: string) => {
      const { file, line, column } = loaded.sources.get(path)!;
      return `${file}:${line}:${column}`;
    };
    expect([
      at('name'),
      at('stages.train.model.mediators'),
      at('stages.train.steps'),
      at('stages.sample.count'),
    ]).toEqual(['base.yaml:1:7', 'a.yaml:3:32', 'base.yaml:6:50', '--set:2:27']);
    expect(loaded.pipeline.stages.get('train')?.origin).toEqual({ file: 'a.yaml', line: 3, column: 3 });
    expect(loaded.pipeline.stages.get('images')?.origin).toEqual({ file: 'base.yaml', line: 3, column: 3 });
  });

  it('is not slowed down by aliases of aliases', async () => {
    const levels = Array.from({ length: 14 }, (_, i) =>
      i === 0
        ? 'l0: &l0 { a: "${env:X:-1}" }'
        : `l${i}: &l${i} { ${'abcdefgh'.replaceAll(/./g, `$&: *l${i - 1}, `)} }`,
    ).join('\n');
    const loaded = await loadFiles({ 'a.yaml': extending(`${levels}\n`), 'base.yaml': `${base}${levels}\n` });
    expect(loaded.ok || loaded.diagnostics.length).toBe(14);
  });
});

describe('an error', () => {
  it('is shown in the file where its value is written', async () => {
    expect(
      await messagesOf({
        'a.yaml': extending('stages:\n  train: { epochs: 2, model: { mediators: 5 } }\n'),
        'base.yaml': base.replace('size: 32', 'size: 30').replace('count: 4', 'cuont: 4'),
      }),
    ).toMatchInlineSnapshot(`
      "a.yaml:3:12 error conflicting-keys: \`train\` takes either \`epochs\` or \`steps\`, not both.
            train: { epochs: 2, model: { mediators: 5 } }
                     ^^^^^^
        Remove the other with \`steps: null\`.
        base.yaml:6:43 \`steps\` is here
            train: { uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediat…
                                                    ^^^^^

      a.yaml:3:43 error not-a-square: \`mediators\` must be a perfect square, or 0 for full attention; \`5\` was found.
            train: { epochs: 2, model: { mediators: 5 } }
                                                    ^
        The nearest are 4 and 9.

      base.yaml:4:3 error size-not-divisible: Images of 30 pixels cannot be divided by \`downsample: 4\`.
            autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10 }
            ^^^^^^^^^^^
        For \`size\`: The nearest are 28 and 32.
        base.yaml:3:47 stages.images.size is here
            images: { uses: images, path: photos, size: 30 }
                                                        ^^

      base.yaml:7:67 error unknown-key: \`cuont\` is not a key of \`sample\` (a stage of kind \`sample\`).
            sample: { uses: sample, model: train, autoencoder: autoencoder, cuont: 4 }
                                                                            ^^^^^
        Did you mean \`count\`?"
    `);
  });

  it('of a key that is missing in all files is shown in the first', async () => {
    const files = { 'a.yaml': extending('seed: 1\n'), 'base.yaml': base.replace('name: test\n', '') };
    expect((await messagesOf(files)).split('\n')[0]).toBe(
      'a.yaml:2:1 error missing-key: The pipeline needs the key `name`.',
    );
  });

  it('of YAML in an extended file says who extends it', async () => {
    expect(await messagesOf({ 'a.yaml': extending(''), 'base.yaml': 'name: [\n' })).toMatchInlineSnapshot(`
      "base.yaml:1:8 error yaml-syntax: A list in brackets must end with a ].
          name: [
                 ^
        a.yaml:1:10 extended here
          extends: base.yaml
                   ^^^^^^^^^"
    `);
  });

  it.each([
    [
      'a missing file',
      { 'a.yaml': 'extends: parts/bse.yaml\n', 'parts/base.yaml': base },
      'a.yaml:1:10 error extended-file-missing: `parts/bse.yaml` is extended, but there is no such file.',
      'Did you mean `parts/base.yaml`?',
    ],
    [
      'a missing folder',
      { 'a.yaml': 'extends: none/base.yaml\n' },
      'a.yaml:1:10 error extended-file-missing: `none/base.yaml` is extended, but there is no such file.',
      'There is no folder `none`.',
    ],
    [
      'a folder',
      { 'a.yaml': 'name: a\nextends: parts\n', 'parts/base.yaml': base },
      'a.yaml:2:10 error extended-file-is-folder: `parts` cannot be extended. A pipeline file was expected; this is a folder.',
      '',
    ],
    [
      'itself',
      { 'a.yaml': extending('', 'a.yaml') },
      'a.yaml:1:10 error extends-cycle: A file cannot extend itself.',
      '',
    ],
    [
      'a cycle',
      {
        'a.yaml': extending('', 'b.yaml'),
        'b.yaml': extending('', 'c.yaml'),
        'c.yaml': 'extends:\n  - b.yaml\n',
      },
      'c.yaml:2:5 error extends-cycle: Files extend each other in a cycle: `b.yaml` → `c.yaml` → `b.yaml`.',
      '',
    ],
    [
      'no path',
      { 'a.yaml': 'extends: [base.yaml, 3]\n', 'base.yaml': base },
      'a.yaml:1:22 error wrong-type: `extends` must be the path of a file, or a list of paths.',
      '',
    ],
    [
      'an empty list',
      { 'a.yaml': 'extends: []\n' },
      'a.yaml:1:10 error wrong-type: `extends` must be the path of a file, or a list of paths.',
      '',
    ],
    [
      'a list',
      { 'a.yaml': extending(''), 'base.yaml': '[1]\n' },
      'base.yaml:1:1 error not-a-pipeline: A pipeline is a map of keys and values; a list was found.',
      '',
    ],
  ])('of extending %s is at its line', async (_, files, heading, remedy) => {
    const text = await messagesOf(files);
    expect(text.split('\n')[0]).toBe(heading);
    expect(text).toContain(remedy);
  });

  it('of seventeen files in a row is at the last', async () => {
    const chain = Object.fromEntries(
      Array.from({ length: 18 }, (_, i) => [`${i}.yaml`, i === 17 ? base : extending('', `${i + 1}.yaml`)]),
    );
    const files = { 'a.yaml': extending('', '0.yaml'), ...chain };
    expect((await messagesOf(files)).split('\n')[0]).toBe(
      '15.yaml:1:10 error extends-too-deep: More than 16 files extend each other in a row.',
    );
  });
});
