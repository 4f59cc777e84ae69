import { resolve } from 'node:path';
import type { Observable } from 'rxjs';
import { abortable, everyMs, fromWork } from '../../base/streams.js';
import type { PretrainedAutoencoderConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import { isProgress, type StageContext, type StageEvent } from '../../runner/stage.js';
import { autoencoderPlace, downloadAutoencoder } from '../../weights/autoencoder-download.js';
import { openAutoencoderSource } from '../../weights/autoencoder-source.js';
import { writeAutoencoder } from '../../weights/write.js';
import { downloadProgress } from '../pretrained/place.js';

const progressEveryMs = 100;

type Config = PretrainedAutoencoderConfig;

/** Takes a trained autoencoder from a folder or from Hugging Face, and leaves what training one leaves. */
export function takeAutoencoder(config: Config, context: StageContext): Observable<StageEvent> {
  const { pins, directory, pipelineDirectory } = context;
  return fromWork<StageEvent>(async (tell, signal) => {
    const commit = pins?.weights;
    const path =
      commit === undefined
        ? resolve(pipelineDirectory, config.weights)
        : await downloadAutoencoder(autoencoderPlace(config.weights)!, commit, {
            ...{ env: process.env, signal },
            onProgress: downloadProgress(tell),
          });
    const source = await openAutoencoderSource(path, config);
    try {
      await writeAutoencoder(source, directory, {
        signal,
        tell: (done, total) => {
          tell({ type: 'progress', done, total, unit: 'tensors' });
        },
      });
      const { config: model, scalingFactor, shiftFactor, told, doubts } = source;
      for (const message of told) tell({ type: 'notice', level: 'info', message });
      for (const message of doubts) tell({ type: 'notice', level: 'warning', message });
      tell({
        type: 'summary',
        values: {
          ...(commit !== undefined && { revision: commit }),
          latentChannels: model.latentChannels,
          downsample: downsampleOf(model),
          ...(scalingFactor !== undefined && { scalingFactor }),
          ...(shiftFactor !== undefined && { shiftFactor }),
        },
      });
    } finally {
      await source.close();
    }
  }).pipe(everyMs(progressEveryMs, isProgress), abortable<StageEvent>(context.signal));
}
