import { type Observable, concat, defer, from, mergeMap } from 'rxjs';
import type { StageContext, StageEvent } from '../pipeline/stage.js';
import { type EngineChoice, forgetPeakMemory, startEngine } from '../tensorflow/index.js';
import { profiled } from './profile-stage.js';

/** Does a stage's work once what computes is ready. Tells what serves in place of what was asked for, once a process. */
export function onEngine(
  { runtime, profile }: Pick<StageContext, 'runtime' | 'profile'>,
  work: () => Observable<StageEvent>,
): Observable<StageEvent> {
  return defer(() => startEngine(runtime)).pipe(
    mergeMap((choice) => {
      // Peak memory is told of each stage: that of the stages before it is none of its own.
      forgetPeakMemory();
      return concat(from(noticesOf(choice)), profile === undefined ? defer(work) : profiled(profile, work));
    }),
  );
}

function noticesOf({ kind, reason }: EngineChoice): StageEvent[] {
  if (reason === undefined) return [];
  const message =
    kind === 'native'
      ? reason
      : `Computes on WebAssembly in float32, many times slower than the native library. ${reason}`;
  return [{ type: 'notice', level: 'warning', message }];
}
