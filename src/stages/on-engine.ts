import { type Observable, concat, defer, from, mergeMap } from 'rxjs';
import type { StageContext, StageEvent } from '../pipeline/stage.js';
import { forgetPeakMemory, startEngine } from '../tensorflow/index.js';
import { profiled } from './profile-stage.js';

/** Does a stage's work once what computes is ready. Tells what serves in place of what was asked for, once a process. */
export function onEngine(
  { runtime, profile }: Pick<StageContext, 'runtime' | 'profile'>,
  work: () => Observable<StageEvent>,
): Observable<StageEvent> {
  return defer(() => startEngine(runtime)).pipe(
    mergeMap(({ warnings }) => {
      // Peak memory is told of each stage: that of the stages before it is none of its own.
      forgetPeakMemory();
      return concat(
        from(warnings.map(warning)),
        profile === undefined ? defer(work) : profiled(profile, work),
      );
    }),
  );
}

function warning(message: string): StageEvent {
  return { type: 'notice', level: 'warning', message };
}
