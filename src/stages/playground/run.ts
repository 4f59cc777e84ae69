import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { abortable, fromWork } from '../../base/streams.js';
import type { PlaygroundConfig } from '../../generated/index.js';
import type { StageContext, StageEvent } from '../../runner/stage.js';
import { writePlayground } from './write.js';

const page = 'playground.html';

/** Writes the page. */
export function run({ title, ...config }: PlaygroundConfig, context: StageContext): Observable<StageEvent> {
  return fromWork<StageEvent>(async (tell, signal) => {
    const { pipelineName: pipeline, seed, directory } = context;
    const written = await writePlayground(join(directory, page), {
      config,
      ...{ pipeline, seed, signal },
      title: title ?? pipeline,
      input: (stage) => context.input(stage),
      onDoubt: (message) => {
        tell({ type: 'notice', level: 'warning', message });
      },
      onProgress: (done, total) => {
        tell({ type: 'progress', done, total, unit: 'tensors' });
      },
    });
    tell({ type: 'summary', values: { ...written, page } });
  }).pipe(abortable<StageEvent>(context.signal));
}
