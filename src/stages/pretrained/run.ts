import type { Observable } from 'rxjs';
import { abortable, everyMs, fromWork } from '../../base/streams.js';
import type { PretrainedConfig } from '../../generated/index.js';
import { sitParameters } from '../../models/sit/config.js';
import { numbersIn } from '../../nn/parameter.js';
import { isProgress, type StageContext, type StageEvent } from '../../runner/stage.js';
import type { ModelSource } from '../../weights/model-source.js';
import { writeSaved } from '../../weights/write.js';
import { openPretrained } from './open-pretrained.js';
import { downloadProgress, locate, originOf } from './place.js';

const progressEveryMs = 100;

/** Takes a trained model from a file, and leaves what training leaves. */
export function run(config: PretrainedConfig, context: StageContext): Observable<StageEvent> {
  return take(config, context).pipe(
    everyMs(progressEveryMs, isProgress),
    abortable<StageEvent>(context.signal),
  );
}

function take(config: PretrainedConfig, { pipelineDirectory: folder, directory, pins }: StageContext) {
  return fromWork<StageEvent>(async (tell, signal) => {
    const located = await locate(config, folder, pins?.path, {
      signal,
      onProgress: downloadProgress(tell),
    });
    const source = await openPretrained(located.path, config, folder);
    try {
      await writeSaved(source, directory, {
        signal,
        tell: (done, total) => {
          tell({ type: 'progress', done, total, unit: 'tensors' });
        },
      });
      for (const message of source.told) tell({ type: 'notice', level: 'info', message });
      tell({ type: 'summary', values: { ...originOf(located), ...summaryOf(source) } });
    } finally {
      await source.close();
    }
  });
}

function summaryOf({ description, told }: ModelSource) {
  const { config, interpolant, prediction, steps } = description;
  const { latentSize, patchSize, hiddenSize, depth, heads, classes, mediators } = config;
  const parameters = numbersIn(sitParameters(config));
  return {
    ...{ parameters, steps, latentSize, patchSize, hiddenSize, depth, heads, classes },
    mediators: new Set(mediators).size === 1 ? mediators[0]! : mediators,
    ...{ interpolant, prediction },
    ...(told.length > 0 && { taken: told }),
  };
}
