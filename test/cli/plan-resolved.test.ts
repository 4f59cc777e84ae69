import { execa } from 'execa';
import { expect, it } from 'vitest';
import { withFiles } from '../runner/files.js';
import { nodeProgram } from '../support/programs.js';

const files = {
  'a b/mine.yaml': `extends: ../base.yaml
name: mine
stages:
  train:
    model: { name: SiT-S/2, mediators: [{ blocks: [0, 3], mediators: 4 }] }
`,
  'base.yaml': `name: base
stages:
  images: { uses: images, path: photos, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [8, 16], steps: 9 }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train: &train { uses: train, latents: latents, steps: "\${env:STEPS:-12}" }
`,
};

const resolved = async (folder: string, ...args: string[]): Promise<string> => {
  const { stdout } = await execa(
    process.execPath,
    [...nodeProgram('src/cli/main.ts'), 'plan', 'a b/mine.yaml', '--resolved', '--set', 'seed=4', ...args],
    { cwd: folder, env: { STEPS: '5', NO_COLOR: '1' } },
  );
  return stdout;
};

it('pipeline plan --resolved prints every value with its origin', async () => {
  const text = await withFiles(files, async (folder) => resolved(folder));
  const lines = text.split('\n');
  // All origins stand in one column, whose place the longest line of the file decides.
  const columns = lines.slice(1).flatMap((line) => (line.includes('# ') ? [line.indexOf('# ')] : []));
  expect(new Set(columns).size).toBe(1);
  expect(lines.slice(0, 16).map((line) => line.replace(/ {2,}# /, '  # '))).toEqual([
    '# a b/mine.yaml, extends base.yaml',
    'name: mine  # a b/mine.yaml:2',
    'seed: 4  # --set',
    'runtime:',
    '  device: auto  # default',
    '  precision: float32  # default',
    '  tf32: true  # default',
    '  deterministic: false  # default',
    '  workers: 1  # default',
    '  retries: 0  # default',
    '  threads: 0  # default',
    'stages:',
    '  images:',
    '    uses: images  # base.yaml:3',
    '    path: ../photos  # base.yaml:3',
    '    labels: folders  # default',
  ]);
  const train = lines.slice(lines.indexOf('  train:')).map((line) => line.replaceAll(/ +#/g, ' #').trim());
  for (const line of [
    'name: SiT-S/2 # a b/mine.yaml:5',
    'hiddenSize: 384 # SiT-S/2 (a b/mine.yaml:5)',
    'patchSize: 2 # SiT-S/2 (a b/mine.yaml:5)',
    '- blocks: [ 0, 3 ] # a b/mine.yaml:5',
    'mediators: 4 # a b/mine.yaml:5',
    'labelDropout: 0.1 # default',
    'steps: 5 # base.yaml:6, $STEPS',
  ])
    expect(train).toContain(line);
  expect(lines.filter((line) => /\S/.test(line) && !/ {2}# |:$|^#/.test(line))).toEqual([]);
});

it('pipeline plan --resolved --json gives the same for programs', async () => {
  const [json, folder] = await withFiles(files, async (at) => [await resolved(at, '--json'), at] as const);
  const {
    config,
    origins,
    files: read,
  } = JSON.parse(json) as {
    config: { stages: { train: { steps: number } } };
    origins: Record<string, object>;
    files: string[];
  };
  expect(read).toEqual([`${folder}/a b/mine.yaml`, `${folder}/base.yaml`]);
  expect(config.stages.train.steps).toBe(5);
  expect(origins['stages.train.steps']).toEqual({
    type: 'written',
    file: `${folder}/base.yaml`,
    line: 6,
    column: 57,
    environment: ['STEPS'],
  });
  expect(origins['stages.train.ema']).toEqual({ type: 'default' });
  expect(origins['stages.train.model.depth']).toMatchObject({ type: 'preset', of: 'SiT-S/2' });
});
