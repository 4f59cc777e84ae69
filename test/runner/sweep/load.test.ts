import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatDiagnostics } from '../../../src/runner/format-diagnostics.js';
import type { LoadOptions } from '../../../src/stages/load.js';
import { type LoadedTrial } from '../../../src/runner/sweep/load.js';
import { loadSweep } from '../../../src/stages/load.js';
import { withFiles } from '../files.js';
import { pipelineText } from '../pipelines.js';

const withSweep = (sweep: string): Record<string, string> => ({
  'p.yaml': `${pipelineText()}sweep:\n${sweep}`,
});

async function trialsOf(
  files: Record<string, string>,
  options: LoadOptions = {},
): Promise<readonly LoadedTrial[]> {
  return withFiles(files, async (folder) => {
    const loaded = await loadSweep(join(folder, Object.keys(files)[0]!), { env: {}, ...options });
    if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
    return loaded.trials!;
  });
}

async function messagesOf(files: Record<string, string>, options: LoadOptions = {}): Promise<string> {
  return withFiles(files, async (folder) => {
    const loaded = await loadSweep(join(folder, Object.keys(files)[0]!), { env: {}, ...options });
    return loaded.ok ? '' : formatDiagnostics(loaded.diagnostics).replaceAll(/\S+\/composed-\w+\//g, '');
  });
}

const values = (trials: readonly LoadedTrial[]): unknown[][] =>
  trials.map(({ values: own }) => [...own.values()]);

describe('a sweep', () => {
  it('has every combination of a grid, the first key slowest', async () => {
    const trials = await trialsOf(
      withSweep('  grid: { stages.train.model.mediators: [4, 0], seed: [1, 2, 3] }\n'),
    );
    expect(values(trials)).toEqual([
      [4, 1],
      [4, 2],
      [4, 3],
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
    expect(trials.map(({ pipeline }) => pipeline.seed)).toEqual([1, 2, 3, 1, 2, 3]);
    expect(trials[5]!.pipeline.stages.get('train')!.config).toMatchObject({
      model: { mediators: 0, depth: 4 },
    });
    expect(trials[5]!.set).toEqual(['stages.train.model.mediators=0', 'seed=3']);
  });

  describe('of the command line', () => {
    const grid = ['stages.train.model.mediators=4,16', 'seed=[1, 2]'];

    it('needs none in the file', async () => {
      const trials = await trialsOf({ 'p.yaml': pipelineText() }, { grid });
      expect(values(trials)).toEqual([
        [4, 1],
        [4, 2],
        [16, 1],
        [16, 2],
      ]);
      expect(trials[2]!.set).toEqual(['stages.train.model.mediators=16', 'seed=1']);
      expect(trials[2]!.pipeline.seed).toBe(1);
    });

    it("takes the place of the file's values of a key, and leaves the others", async () => {
      const files = withSweep('  grid: { seed: [7, 8], stages.train.ema: [0.5] }\n');
      const trials = await trialsOf(files, { grid: ['seed=1,2,3'] });
      expect(values(trials)).toEqual([
        [1, 0.5],
        [2, 0.5],
        [3, 0.5],
      ]);
    });

    it('takes lists as values where a list is written', async () => {
      const trials = await trialsOf(
        { 'p.yaml': pipelineText() },
        {
          grid: ['stages.autoencoder.channels=[[8, 16, 32], [8, 16, 64]]', "stages.report.title=a b, 'c,d'"],
        },
      );
      expect(values(trials)).toEqual([
        [[8, 16, 32], 'a b'],
        [[8, 16, 32], 'c,d'],
        [[8, 16, 64], 'a b'],
        [[8, 16, 64], 'c,d'],
      ]);
    });

    it('takes lists with commas between them', async () => {
      const grid = ['stages.train.model.mediators=[4, 0, 4, 0],[16, 0, 0, 0]'];
      expect(values(await trialsOf({ 'p.yaml': pipelineText() }, { grid }))).toEqual([
        [[4, 0, 4, 0]],
        [[16, 0, 0, 0]],
      ]);
    });

    it.each([
      ['a wrong value', ['stages.train.model.mediators=4,5'], 'not-a-square'],
      ['a misspelt key', ['stages.train.model.mediator=4'], 'Did you mean `mediators`?'],
      ['no values', ['seed'], '--grid seed=1,2,3'],
      ['an empty value', ['seed='], 'empty-override'],
      ['a key twice', ['seed=1', 'seed=2'], 'duplicate-key'],
      ['a key that another part of the sweep varies', ['stages.train.ema=0.5'], 'duplicate-key'],
      ['what cannot be swept', ['name=a,b'], 'cannot-be-swept'],
      ['an option that is chosen before', ['options.small.seed=1,2'], 'cannot-be-swept'],
      ['a list without its end', ['stages.train.model.mediators=[4,0'], 'yaml-syntax'],
    ])('is refused with %s', async (_, grid, expected) => {
      const found = await messagesOf(withSweep('  zip: { stages.train.ema: [0.1] }\n'), { grid });
      expect(found).toContain(expected);
      expect(found).toContain(`    --grid ${grid[0]!.split('=')[0]!}`);
    });
  });

  it('pairs the values of a zip, and combines its parts', async () => {
    const trials = await trialsOf(
      withSweep(`  zip: { seed: [1, 2], stages.train.ema: [0.5, 0.9] }
  points:
    - { stages.train.steps: null, stages.train.epochs: 2 }
    - { stages.report.title: '#$\${env:X}' }
`),
    );
    expect(values(trials)).toEqual([
      [1, 0.5, undefined, 2],
      [1, 0.5, '#${env:X}'],
      [2, 0.9, undefined, 2],
      [2, 0.9, '#${env:X}'],
    ]);
    expect(trials[0]!.set).toEqual([
      'seed=1',
      'stages.train.ema=0.5',
      'stages.train.steps=null',
      'stages.train.epochs=2',
    ]);
    expect(trials[0]!.pipeline.stages.get('train')!.config).not.toHaveProperty('steps');
  });

  it('is made again by the options of each trial', async () => {
    const files = withSweep(
      '  points: [{ stages.report.title: \'#$${env:X} "ü"\' }, { stages.autoencoder.channels: [8, 16] }, { stages.train.epochs: 1, stages.train.steps: null }]\n',
    );
    for (const { set, pipeline } of await trialsOf(files)) {
      const [again] = await trialsOf(files, { set: [...set, 'sweep={ points: [{ seed: 0 }] }'] });
      expect([...again!.pipeline.stages.values()].map(({ config }) => config)).toEqual(
        [...pipeline.stages.values()].map(({ config }) => config),
      );
    }
  });

  it('draws the same values whatever else is drawn, within their ranges and all over them', async () => {
    const random = (count: number, rest = ''): Record<string, string> =>
      withSweep(`  random:
    count: ${count}
    values:
      stages.train.learningRate: { logUniform: [1e-5, 1e-1] }
      stages.train.globalBatch: { uniform: [2, 5], integer: true }
${rest}`);
    const few = values(await trialsOf(random(3)));
    const many = values(await trialsOf(random(400, '      seed: { choice: [7, 8] }\n')));
    expect(many.slice(0, 3).map((point) => point.slice(0, 2))).toEqual(few);
    const rates = many.map(([rate]) => rate as number);
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(1e-5);
    expect(Math.max(...rates)).toBeLessThanOrEqual(1e-1);
    // Half of the draws lie below the middle of the four orders of magnitude; 400 draws deviate by 10 (σ), allowed 5 σ.
    expect(Math.abs(rates.filter((rate) => rate < 1e-3).length - 200)).toBeLessThan(50);
    expect(rates.every((rate) => rate === Number(rate.toPrecision(5)))).toBe(true);
    const counts = [2, 3, 4, 5].map((batch) => many.filter(([, own]) => own === batch).length);
    // 100 each, σ 8.7.
    for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(44);
    expect(counts.reduce((sum, count) => sum + count)).toBe(400);
    expect(new Set(many.map(([, , seed]) => seed))).toEqual(new Set([7, 8]));
  });

  it('takes values from the environment, typed by the schema where they go, and paths from its file', async () => {
    const trials = await trialsOf(
      {
        'a.yaml': 'extends: sub/b.yaml\n',
        'sub/b.yaml': `${pipelineText()}sweep:\n  points: [{ stages.report.title: '\${env:N}', seed: '\${env:N}', stages.images.path: other }]\n`,
      },
      { env: { N: '12' } },
    );
    expect(values(trials)).toEqual([['12', 12, 'sub/other']]);
  });
});

describe('an error of a sweep', () => {
  it('is shown at the value that makes it', async () => {
    expect(
      await messagesOf(
        withSweep(`  grid:
    stages.train.model.mediators: [4, 5]
    stages.trian.steps: [3]
`),
      ),
    ).toMatchInlineSnapshot(`
      "p.yaml:11:39 error not-a-square: \`mediators\` must be a perfect square, or 0 for full attention; \`5\` was found.
              stages.train.model.mediators: [4, 5]
                                                ^
        The nearest are 4 and 9.

      p.yaml:12:12 error unknown-stage: \`trian\` is not a stage of this pipeline.
              stages.trian.steps: [3]
                     ^^^^^
        Did you mean \`train\`?"
    `);
  });

  it('that is shown elsewhere names the point', async () => {
    expect(await messagesOf(withSweep('  grid:\n    stages.images.size: [32, 30]\n'))).toMatchInlineSnapshot(`
      "p.yaml:4:3 error size-not-divisible: Images of 30 pixels cannot be divided by \`downsample: 4\`.
            autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10 }
            ^^^^^^^^^^^
        For \`size\`: The nearest are 28 and 32.
        p.yaml:11:30 stages.images.size is here
              stages.images.size: [32, 30]
                                       ^^"
    `);
  });

  it('of the sweep itself is found before any point is looked at', async () => {
    expect(
      await messagesOf(
        withSweep(`  grid: { name: [a, b], seed: [1, 1] }
`),
      ),
    ).toMatchInlineSnapshot(`
      "p.yaml:10:35 error duplicate-item: \`1\` is in \`seed\` twice.
            grid: { name: [a, b], seed: [1, 1] }
                                            ^
        Keep one of the two.
        p.yaml:10:32 first used here
            grid: { name: [a, b], seed: [1, 1] }
                                         ^"
    `);
    expect(
      await messagesOf(
        withSweep(`  grid: { name: [a, b], seed: [1, 2] }
  zip: { seed: [1, 2], stages.train.ema: [0.5] }
  random: { count: 6000, values: { stages.train.weightDecay: { uniform: [1, 0] } } }
`),
      ),
    ).toMatchInlineSnapshot(`
      "p.yaml:10:3 error too-many-trials: A sweep has at most 10000 trials; these are 48000.
            grid: { name: [a, b], seed: [1, 2] }
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

      p.yaml:10:11 error cannot-be-swept: \`name\` cannot be varied by a sweep.
            grid: { name: [a, b], seed: [1, 2] }
                    ^^^^
        Keys of \`stages\` and \`runtime\`, \`seed\` and \`choose\` can.

      p.yaml:11:10 error duplicate-key: \`seed\` is varied twice.
            zip: { seed: [1, 2], stages.train.ema: [0.5] }
                   ^^^^
        Keep one of the two.
        p.yaml:10:25 first varied here
            grid: { name: [a, b], seed: [1, 2] }
                                  ^^^^

      p.yaml:11:42 error zip-lengths: Lists of a \`zip\` must have the same length; \`stages.train.ema\` has 1 item, \`seed\` has 2.
            zip: { seed: [1, 2], stages.train.ema: [0.5] }
                                                   ^^^^^
        p.yaml:11:16 \`seed\` is here
            zip: { seed: [1, 2], stages.train.ema: [0.5] }
                         ^^^^^^

      p.yaml:12:73 error empty-range: \`uniform\` must go from the least value to the greatest; it starts at 1, after its end at 0.
            random: { count: 6000, values: { stages.train.weightDecay: { uniform: [1, 0] } } }
                                                                                  ^^^^^^"
    `);
  });

  it('of a random sweep is shown at its range', async () => {
    expect(
      await messagesOf(
        withSweep('  random: { count: 2, values: { stages.train.ema: { uniform: [1, 2] } } }\n'),
      ),
    ).toMatchInlineSnapshot(`
      "p.yaml:10:62 error out-of-range: \`ema\` must be less than 1; \`1.3492\` was found.
            random: { count: 2, values: { stages.train.ema: { uniform: [1, 2] } } }
                                                                       ^^^^^^

      p.yaml:10:62 error out-of-range: \`ema\` must be less than 1; \`1.2094\` was found.
            random: { count: 2, values: { stages.train.ema: { uniform: [1, 2] } } }
                                                                       ^^^^^^"
    `);
  });
});
