import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Observable, defer, finalize, from, merge, mergeMap } from 'rxjs';
import type { StageContext, StageEvent } from '../pipeline/stage.js';
import { type StepStats, chromeTrace, costliest, recordSteps } from '../tensorflow/index.js';

/** Does a stage's work; records its first steps as a Chrome trace, and tells what they spent their time on. */
export function profiled(
  { steps, file }: NonNullable<StageContext['profile']>,
  work: () => Observable<StageEvent>,
): Observable<StageEvent> {
  return defer(() => {
    const recording = recordSteps(steps);
    const report = from(recording.done).pipe(
      mergeMap((recorded) => written(file, recorded)),
      mergeMap((lines) => from(lines)),
    );
    const finish = () => {
      recording.stop();
    };
    return merge(report, defer(work).pipe(finalize(finish)));
  });
}

async function written(file: string, steps: readonly StepStats[]): Promise<StageEvent[]> {
  const notice = (message: string): StageEvent => ({ type: 'notice', level: 'info', message });
  if (steps.length === 0)
    return [notice('There is no profile: no compiled steps were run after the first two.')];
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, chromeTrace(steps));
  return [`Profile of ${steps.length} steps, for ui.perfetto.dev: ${file}`, ...costliest(steps)].map(notice);
}
