import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { formatDiagnostics } from '../../src/runner/format-diagnostics.js';
import { makePlan } from '../../src/runner/plan/plan.js';
import { resolvedConfig } from '../../src/runner/resolved.js';
import { loadPipeline, loadSweep } from '../../src/stages/load.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { messages, pipelineText } from './pipelines.js';

type Stages = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The stages of a file in a folder of its own, other files beside it. */
async function stagesOf(
  text: string,
  set: readonly string[] = [],
  others: Readonly<Record<string, string>> = {},
): Promise<Stages> {
  const folder = await temporaryFolder('composition');
  const file = join(folder, 'p.yaml');
  for (const [name, content] of Object.entries({ ...others, 'p.yaml': text }))
    await writeFile(join(folder, name), content);
  const loaded = await loadPipeline(file, { set, env: { STEPS: '7', DOLLAR: '${seed}' } });
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
  return resolvedConfig(loaded.pipeline).stages as Stages;
}

const trained = (steps: string, other = ''): string =>
  `{ uses: train, latents: latents, steps: ${steps}, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }${other} }`;

/** Everything that makes an output: fingerprints of all stages. */
async function fingerprints(text: string): Promise<readonly string[]> {
  const folder = await temporaryFolder('composition');
  await writeFile(join(folder, 'p.yaml'), text);
  await writeFile(join(folder, 'photos'), '');
  const loaded = await loadPipeline(join(folder, 'p.yaml'), {});
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
  const { pipeline } = loaded;
  const plan = await makePlan({ pipeline, registry: stageRegistry, runsRoot: join(folder, 'runs') });
  return plan.stages.map(({ fingerprint }) => fingerprint);
}

it('a reference is the value that it leads to, of any type, and its default', async () => {
  const { train, report, sample } = await stagesOf(
    pipelineText({
      train: trained("'${stages.autoencoder.steps}'", ", ema: '${stages.autoencoder.ema}'"),
      sample:
        "{ uses: sample, model: train, autoencoder: autoencoder, count: '${stages.images.size}', classes: '${stages.images.classes}' }",
      images: '{ uses: images, path: photos, size: 32, classes: [cats, dogs] }',
      report:
        "{ uses: report, title: '${stages.train.steps} steps, ${stages.train.globalBatch} a batch, $${seed}', stages: [train] }",
    }),
  );
  expect(train).toMatchObject({ steps: 10, ema: 0.99 });
  expect(sample).toMatchObject({ count: 32, classes: ['cats', 'dogs'] });
  expect(report!.title).toBe('10 steps, 256 a batch, ${seed}');
});

it('a reference leads over others and over the environment, and to what --set says', async () => {
  const text = pipelineText({
    autoencoder: "{ uses: autoencoder, images: images, channels: [8, 16, 32], steps: '${env:STEPS}' }",
    train: trained("'${stages.autoencoder.steps}'"),
    sample: "{ uses: sample, model: train, autoencoder: autoencoder, count: '${stages.train.steps}' }",
    report: "{ uses: report, title: '${env:DOLLAR}', stages: [train] }",
  });
  expect(await stagesOf(text)).toMatchObject({ sample: { count: 7 }, report: { title: '${seed}' } });
  expect(await stagesOf(text, ['stages.train.steps=9'])).toMatchObject({
    autoencoder: { steps: 7 },
    sample: { count: 9 },
  });
});

it('refuses references that lead to nothing or in a circle, each at its place', async () => {
  const text = pipelineText({
    autoencoder:
      "{ uses: autoencoder, images: images, channels: [8, 16, 32], steps: '${stages.train.steps}' }",
    train: trained("'${stages.autoencoder.steps}'"),
    sample: "{ uses: sample, model: train, autoencoder: autoencoder, count: '${stages.train.stepz}' }",
    report: "{ uses: report, title: 'x ${stages.images}', stages: [train] }",
  });
  expect(await messages(text)).toMatchInlineSnapshot(`
    "p.yaml:4:84 error value-cycle: \`\${stages.train.steps}\` leads back to this value.
          autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: '\${stages.train.steps}' }
                                                                                           ^^^^^^^^^^^^^^^^^^^^^
      Write one of the values that refer to each other.

    p.yaml:7:75 error unknown-reference: \`\${stages.train.stepz}\` leads to nothing: there is no \`stages.train.stepz\`.
          sample: { uses: sample, model: train, autoencoder: autoencoder, count: '\${stages.train.stepz}' }
                                                                                  ^^^^^^^^^^^^^^^^^^^^^
      Did you mean \`steps\`?

    p.yaml:8:37 error wrong-type: \`\${stages.images}\` is not a single value, so that it cannot be a part of a text.
          report: { uses: report, title: 'x \${stages.images}', stages: [train] }
                                            ^^^^^^^^^^^^^^^^
      Let it be the whole value."
  `);
});

it('shows what is wrong with a value where it was referred to', async () => {
  const told = await messages(pipelineText({ train: trained("'${stages.images.path}'") }));
  expect(told).toMatchInlineSnapshot(`
    "p.yaml:6:50 error wrong-type: \`steps\` must be a whole number; the text \`photos\` was found.
          train: { uses: train, latents: latents, steps: '\${stages.images.path}', model: { hiddenSize: 32, depth: 4, heads: 2,…
                                                         ^^^^^^^^^^^^^^^^^^^^^^^"
  `);
});

it('a file with references makes the same outputs as one with the values, and so do stages of foreach', async () => {
  const plain = pipelineText({ train: trained('10'), sample: undefined, report: undefined });
  expect(
    await fingerprints(
      pipelineText({ train: trained("'${stages.autoencoder.steps}'"), sample: undefined, report: undefined }),
    ),
  ).toEqual(await fingerprints(plain));
  const [, , , one] = await fingerprints(plain);
  const many = await fingerprints(
    pipelineText({
      train: trained("'${item}'").replace('{', '{ foreach: [10, 20],'),
      sample: undefined,
      report: undefined,
    }),
  );
  expect(many[3]).toBe(one);
  expect(many).toHaveLength(5);
});

it('foreach makes a stage of each value, and lists of stages have all of them', async () => {
  const stages = await stagesOf(
    pipelineText({
      train: trained('10')
        .replace('{', '{ foreach: [4, 16],')
        .replace('mediators: 4', "mediators: '${item}'"),
      sample:
        "{ foreach: { few: { of: 4, count: 3 }, many: { of: 16, count: 9 } }, uses: sample, model: 'train-${item.of}', autoencoder: autoencoder, count: '${item.count}' }",
      report: '{ uses: report, title: a, stages: [images, train, sample] }',
    }),
  );
  expect(Object.keys(stages)).toEqual([
    'images',
    'autoencoder',
    'latents',
    'train-4',
    'train-16',
    'sample-few',
    'sample-many',
    'report',
  ]);
  expect(stages['train-16']).toMatchObject({ model: { mediators: 16 } });
  expect(stages['sample-many']).toMatchObject({ model: 'train-16', count: 9 });
  expect(stages.report!.stages).toEqual(['images', 'train-4', 'train-16', 'sample-few', 'sample-many']);
});

it('foreach takes its values from options and the environment, and what it makes is varied by its template', async () => {
  const text = pipelineText({
    train: trained('10')
      .replace('{', "{ foreach: '${env:LIST:-[1, 4]}',")
      .replace('mediators: 4', "mediators: '${item}'"),
    sample: undefined,
    report: undefined,
  });
  expect(Object.keys(await stagesOf(text)).slice(3)).toEqual(['train-1', 'train-4']);
  const set = await stagesOf(text, ['stages.train.foreach=[9]', 'stages.train.steps=3']);
  expect(set['train-9']).toMatchObject({ steps: 3, model: { mediators: 9 } });
});

it('refuses a foreach of nothing, of unnamed maps, with unknown parts, and of ids that are there', async () => {
  const foreach = (values: string, steps = "'${item}'") =>
    messages(
      pipelineText({
        train: trained(steps).replace('{', `{ foreach: ${values},`),
        sample: undefined,
        report: undefined,
        'train-4': trained('3'),
      }),
    );
  expect(await foreach('[]')).toContain(
    '`foreach` must be a list of numbers and texts, or a map of values by name.',
  );
  expect(await foreach('[{ a: 1 }]')).toContain('`foreach` must be a list of numbers and texts');
  expect(await foreach('{ a: { x: 1 } }', "'${item.y} '")).toContain(
    '`${item.y}` is not a value of this `foreach`.',
  );
  expect(await foreach('[4]')).toContain(
    'p.yaml:7:3 error duplicate-key: Two stages would be called `train-4`.',
  );
  expect(await foreach('[4, many]')).toContain(
    'error wrong-type: `steps` must be a whole number; the text `many` was found.',
  );
});

it('a map with $replace takes the place of the one that it would be merged with', async () => {
  const base = { 'base.yaml': pipelineText() };
  const model = 'name: SiT-S/2, mediators: 16';
  const extended = (map: string): string =>
    `extends: base.yaml\nname: mine\nstages: { train: { model: { ${map} } } }\n`;
  const replaced = await stagesOf(extended(`$replace: true, ${model}`), [], base);
  expect(replaced.train).toMatchObject({ model: { name: 'SiT-S/2', mediators: 16 } });
  await expect(stagesOf(extended(model), [], base)).rejects.toThrow('conflicting-keys');
  await expect(stagesOf(extended(`$replace: yes, ${model}`), [], base)).rejects.toThrow('unknown-key');
  const alone = await stagesOf(
    pipelineText({ report: '{ $replace: true, uses: report, title: a, stages: [train] }' }),
  );
  expect(alone.report).toMatchObject({ title: 'a' });
});

const grouped = pipelineText(
  {},
  `options:
  smoke: { stages: { train: { steps: 2 }, report: null } }
  long: { seed: 5, stages: { train: { steps: 900 } } }
`,
);

it('options are laid over the file by their names, and --set over them', async () => {
  expect((await stagesOf(grouped)).train).toMatchObject({ steps: 10 });
  const smoke = await stagesOf(grouped, ['choose=smoke']);
  expect(smoke.train).toMatchObject({ steps: 2 });
  expect(smoke.report).toBeUndefined();
  const other = await stagesOf(grouped, ['choose=smoke', 'options.smoke.stages.train.steps=3']);
  expect(other.train).toMatchObject({ steps: 3 });
  const both = await stagesOf(grouped, ['stages.train.steps=4', 'choose=[smoke, long]']);
  expect(both.train).toMatchObject({ steps: 4 });
  const extended = await stagesOf('extends: base.yaml\nchoose: long\nname: mine\n', [], {
    'base.yaml': grouped,
  });
  expect(extended.train).toMatchObject({ steps: 900 });
  expect(await messages(grouped, ['choose=smok'])).toMatchInlineSnapshot(`
    "--set error unknown-option: \`smok\` is not one of the \`options\` of this file.
        --set choose=smok
                     ^^^^
      Did you mean \`smoke\`?"
  `);
  expect(await messages(grouped, ['choose={ smoke: true }'])).toContain(
    'error wrong-type: `choose` must be a name of `options`, or a list of them.',
  );
});

it('groups of options that nobody chose are checked for what no other choice mends', async () => {
  const groups = (text: string) => pipelineText({}, `options:\n${text}`);
  const wrong = groups(`  smoke: { stages: { train: { stepz: 2 }, trian: { steps: 2 } } }
  wide: { sed: 3, stages: { train: { steps: few, learningRate: 0,5 } } }
`);
  expect(await messages(wrong)).toMatchInlineSnapshot(`
    "p.yaml:3:31 error unknown-key: \`stepz\` is not a key of \`train\` (a stage of kind \`train\`).
          smoke: { stages: { train: { stepz: 2 }, trian: { steps: 2 } } }
                                      ^^^^^
      Did you mean \`steps\`?

    p.yaml:3:43 error unknown-stage: \`trian\` is not a stage of this pipeline, and has no \`uses\`.
          smoke: { stages: { train: { stepz: 2 }, trian: { steps: 2 } } }
                                                  ^^^^^
      Did you mean \`train\`?

    p.yaml:4:11 error unknown-key: \`sed\` is not a key of a pipeline.
          wide: { sed: 3, stages: { train: { steps: few, learningRate: 0,5 } } }
                  ^^^
      Did you mean \`seed\`?

    p.yaml:4:45 error wrong-type: \`steps\` must be a whole number; the text \`few\` was found.
          wide: { sed: 3, stages: { train: { steps: few, learningRate: 0,5 } } }
                                                    ^^^

    p.yaml:4:64 error out-of-range: \`learningRate\` must be greater than 0; \`0\` was found.
          wide: { sed: 3, stages: { train: { steps: few, learningRate: 0,5 } } }
                                                                       ^

    p.yaml:4:66 error decimal-comma: A decimal is written with a point; after the comma \`5\` would be a key without a value.
          wide: { sed: 3, stages: { train: { steps: few, learningRate: 0,5 } } }
                                                                         ^
      Write \`learningRate: 0.5\`."
  `);
  // A group may lack what another one brings, and may need another one that takes something away.
  const together = groups(`  more: { stages: { again: { count: 3 } } }
  draws: { stages: { again: { uses: sample, model: train, autoencoder: autoencoder, count: 2 } } }
  sized: { stages: { train: { model: { hiddenSize: 8, depth: 1, heads: 2, patchSize: 2 } } } }
  nameless: { stages: { train: { model: { name: null } } } }
  off: { stages: { report: null, nothing: null } }
`);
  expect((await stagesOf(together)).train).toMatchObject({ steps: 10 });
});

it('a sweep varies options, its own values over them', async () => {
  const folder = await temporaryFolder('composition');
  const file = join(folder, 'p.yaml');
  await writeFile(
    file,
    `${grouped}sweep: { points: [{ choose: smoke }, { choose: [smoke, long], stages.train.globalBatch: 8 }, { seed: 3 }] }\n`,
  );
  const loaded = await loadSweep(file, { set: ['stages.sample.count=2'] });
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
  const trials = loaded.trials!.map(({ pipeline, values, set }) => [
    (resolvedConfig(pipeline).stages as Stages).train!.steps,
    pipeline.seed,
    Object.fromEntries(values),
    set,
  ]);
  expect(trials).toEqual([
    [2, 0, { choose: 'smoke' }, ['choose="smoke"']],
    [
      900,
      5,
      { choose: ['smoke', 'long'], 'stages.train.globalBatch': 8 },
      ['choose=["smoke","long"]', 'stages.train.globalBatch=8'],
    ],
    [10, 3, { seed: 3 }, ['seed=3']],
  ]);
  // The options of a trial make the file into it.
  const again = await loadPipeline(file, { set: loaded.trials![1]!.set });
  if (!again.ok) throw new Error(formatDiagnostics(again.diagnostics));
  expect((resolvedConfig(again.pipeline).stages as Stages).train).toMatchObject({
    steps: 900,
    globalBatch: 8,
  });
  await writeFile(file, `${grouped}sweep: { grid: { choose: [smoke, lng] } }\n`);
  const wrong = await loadSweep(file, {});
  expect(wrong.ok ? '' : formatDiagnostics(wrong.diagnostics)).toContain('`lng` is not one of the `options`');
});

it('a sweep varies stages as they are written before foreach, and each trial is what its options make of the file', async () => {
  const template = pipelineText({
    train: trained('10').replace('{', '{ foreach: [4, 16],').replace('mediators: 4', "mediators: '${item}'"),
    sample: undefined,
    report: undefined,
  });
  const sweep = "{ stages.train.ema: [0.5, '${env:EMA}'], stages.train.foreach: [[4], [4, 9]] }";
  const folder = await temporaryFolder('composition');
  const file = join(folder, 'p.yaml');
  await writeFile(file, `${template}sweep:\n  grid: ${sweep}\n`);
  const env = { EMA: '0.7' };
  const loaded = await loadSweep(file, { env });
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
  const trials = loaded.trials!.map(({ pipeline, values }) => [
    [...pipeline.stages.keys()].slice(3).join(),
    (resolvedConfig(pipeline).stages as Stages)['train-4']!.ema,
    ...values.values(),
  ]);
  expect(trials).toEqual([
    ['train-4', 0.5, 0.5, [4]],
    ['train-4,train-9', 0.5, 0.5, [4, 9]],
    ['train-4', 0.7, '${env:EMA}', [4]],
    ['train-4,train-9', 0.7, '${env:EMA}', [4, 9]],
  ]);
  for (const { pipeline, set } of loaded.trials!) {
    const again = await loadPipeline(file, { set, env });
    if (!again.ok) throw new Error(formatDiagnostics(again.diagnostics));
    expect(resolvedConfig(again.pipeline)).toMatchObject(resolvedConfig(pipeline));
  }
});

it('a sweep varies what is referred to', async () => {
  const folder = await temporaryFolder('composition');
  const file = join(folder, 'p.yaml');
  const text = pipelineText({
    sample: "{ uses: sample, model: train, autoencoder: autoencoder, count: '${stages.train.steps}' }",
  });
  await writeFile(file, `${text}sweep: { grid: { stages.train.steps: [3, 4] } }\n`);
  const loaded = await loadSweep(file, {});
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
  const counts = loaded.trials!.map(
    ({ pipeline }) => (resolvedConfig(pipeline).stages as Stages).sample!.count,
  );
  expect(counts).toEqual([3, 4]);
});
