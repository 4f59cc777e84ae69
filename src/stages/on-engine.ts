import { type Observable, concat, defer, from, mergeMap, of } from 'rxjs';
import type { StageContext, StageEvent } from '../pipeline/stage.js';
import { tellOnce } from '../tensorflow/engine-choice.js';
import { forgetPeakMemory, startEngine } from '../tensorflow/index.js';
import { profiled } from './profile-stage.js';

/**
 * Does a stage's work once what computes is ready. Keeps with the output what computed it, and why that is not what one
 * may expect, which is told once a process.
 */
export function onEngine(
  { runtime, profile }: Pick<StageContext, 'runtime' | 'profile'>,
  work: () => Observable<StageEvent>,
): Observable<StageEvent> {
  return defer(() => startEngine(runtime)).pipe(
    mergeMap(({ computesOn, warnings }) => {
      // Peak memory is told of each stage: that of the stages before it is none of its own.
      forgetPeakMemory();
      const values = { computedOn: computesOn, ...(warnings.length > 0 && { warnings: warnings.join(' ') }) };
      return concat(
        from(
          tellOnce(warnings).map((message): StageEvent => ({ type: 'notice', level: 'warning', message })),
        ),
        of<StageEvent>({ type: 'summary', measured: true, values }),
        profile === undefined ? defer(work) : profiled(profile, work),
      );
    }),
  );
}
