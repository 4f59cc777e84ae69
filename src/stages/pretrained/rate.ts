import type { PretrainedConfig } from '../../generated/index.js';
import { sitParameters } from '../../models/sit/config.js';
import type { Json, StageRate, UntoldTime } from '../../runner/stage.js';
import { writeSaved } from '../../weights/write.js';
import { untoldDownload } from '../shared/rate.js';
import { measureTaking } from '../shared/take-rate.js';
import { openPlanned } from './open-pretrained.js';

/** Measures how fast a model is taken from a file on this machine. */
export async function measurePretrained(
  config: PretrainedConfig,
  folder: string,
): Promise<StageRate | UntoldTime> {
  const start = performance.now();
  const source = await openPlanned(config, folder);
  if (source === undefined) return untoldDownload(config.path);
  try {
    const { config: model } = source.description;
    const parameters = sitParameters(model);
    const tensors = source.hasAverage ? [...parameters, ...parameters] : parameters;
    const rate = await measureTaking(start, tensors, (directory, options) =>
      writeSaved(source, directory, options),
    );
    return { ...rate, foreseen: { model: model as unknown as Json } };
  } finally {
    await source.close();
  }
}
