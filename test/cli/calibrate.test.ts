import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { savedNote, withCalibration } from '../../src/cli/commands/calibrate.js';
import { loadPipeline } from '../../src/stages/load.js';
import type { StageOf } from '../../src/stages/shared/check.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { toyCommand } from './toy-project.js';

it('follows the same paths whatever ratios the file has', async () => {
  const calibration = async (set: readonly string[]) => {
    const loaded = await loadPipeline('pipelines/emoji-stepwise.yaml', { set });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
    const sample = loaded.pipeline.stages.get('stepwise') as StageOf<'sample'>;
    return withCalibration(loaded.pipeline, sample, { samples: 8, replays: 2 }).stages.get(
      'calibrate-stepwise',
    )!;
  };
  const written = await calibration([]);
  const other = await calibration(['stages.stepwise.phases.0.switchRatio=0.99']);
  expect(other.config).toEqual(written.config);
  expect(await calibration(['stages.stepwise.firstSteps=5'])).not.toEqual(written);
});

it('looks at the file to write into before it calibrates', async () => {
  const folder = await temporaryFolder('calibrate');
  const none = join(folder, 'none.yaml');
  const other = join(folder, 'other.yaml');
  await writeFile(other, 'stages: { stepwise: { phases: [{ model: a }] } }\n');
  const file = join(process.cwd(), 'pipelines', 'emoji-stepwise.yaml');
  for (const [target, message] of [
    [none, 'none.yaml'],
    [other, 'does not itself hold'],
  ] as const) {
    const { exitCode, stderr } = await toyCommand(folder, [
      'calibrate',
      file,
      '--write',
      target,
      '--runs',
      'runs',
    ]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(message);
  }
  expect(existsSync(join(folder, 'runs'))).toBe(false);
});

it('tells of a choice that saves far more than was asked for', () => {
  expect(savedNote({ saved: 0.131 }, 0.105)).toMatch(
    /^\nThe choice saves 13\.1 % where 10\.5 % was asked for: .* --replays follows more of them\.\n$/,
  );
  expect(savedNote({ saved: 0.106 }, 0.105)).toBe('');
  expect(savedNote({ saved: 0.131 }, undefined)).toBe('');
});
