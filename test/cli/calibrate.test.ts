import { expect, it } from 'vitest';
import { withCalibration } from '../../src/cli/commands/calibrate.js';
import { loadPipeline, type StageOf } from '../../src/config/index.js';

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
