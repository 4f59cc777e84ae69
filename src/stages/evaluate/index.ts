import { type Observable, Subject, defer, finalize, merge, mergeMap } from 'rxjs';
import type { EvaluateConfig } from '../../config/generated/index.js';
import type { StageContext, StageEvent } from '../../pipeline/stage.js';
import { abortable, everyMs } from '../../streams/index.js';
import { onEngine } from '../on-engine.js';
import { EvaluateJob } from './job.js';

const progressEveryMs = 100;

/** Computes figures of samples against a reference. */
export function run(config: EvaluateConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () => {
    const events = new Subject<StageEvent>();
    const job = new EvaluateJob(config, context, (event) => {
      events.next(event);
    });
    const work = defer(() => job.run()).pipe(
      mergeMap((last) => last),
      finalize(() => {
        events.complete();
      }),
    );
    return merge(events.pipe(everyMs(progressEveryMs)), work).pipe(abortable<StageEvent>(context.signal));
  });
}
