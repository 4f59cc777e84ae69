import { resolve } from 'node:path';
import type { Observable } from 'rxjs';
import { abortable, everyMs, fromWork } from '../../base/streams.js';
import { parseRepository } from '../../formats/hub/repository.js';
import type { PretrainedAutoencoderConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import type { StageContext, StageEvent } from '../../runner/stage.js';
import { downloadAutoencoder } from '../../weights/autoencoder-download.js';
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
    const folder =
      commit === undefined
        ? resolve(pipelineDirectory, config.weights)
        : await download(config, commit, tell, signal);
    const source = await openAutoencoderSource(folder);
    try {
      await writeAutoencoder(source, directory, {
        signal,
        tell: (done, total) => {
          tell({ type: 'progress', done, total, unit: 'tensors' });
        },
      });
      const { config: model, scalingFactor } = source;
      tell({
        type: 'summary',
        values: {
          ...(commit !== undefined && { revision: commit }),
          latentChannels: model.latentChannels,
          downsample: downsampleOf(model),
          ...(scalingFactor !== undefined && { scalingFactor }),
        },
      });
    } finally {
      await source.close();
    }
  }).pipe(everyMs(progressEveryMs), abortable<StageEvent>(context.signal));
}

function download(
  { weights }: Config,
  commit: string,
  tell: (event: StageEvent) => void,
  signal: AbortSignal,
): Promise<string> {
  return downloadAutoencoder(parseRepository(weights)!, commit, {
    env: process.env,
    signal,
    onProgress: downloadProgress(tell),
  });
}
