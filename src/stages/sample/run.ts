import { catchError, concat, defer, finalize, from, ignoreElements, merge, mergeMap } from 'rxjs';
import type { Observable } from 'rxjs';
import { prefetch } from '../../base/prefetch.js';
import { abortable, everyMs, oneByOne } from '../../base/streams.js';
import type { SampleConfig } from '../../generated/index.js';
import type { StageContext, StageEvent } from '../../runner/stage.js';
import { onEngine, sharedOut } from '../shared/engine.js';
import { DamagedSample } from './files.js';
import { damagedAgain, type Drawn, SampleJob } from './job.js';
import type { SampleBatch } from './sampler.js';

const progressEveryMs = 100;
/** Batches that are drawn, or drawn and not yet written, at any time. */
const batchesAtOnce = 2;

/** Draws images from trained models. */
export function run(config: SampleConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    from(SampleJob.open(config, context)).pipe(
      mergeMap((job) => sampleAll(job, context).pipe(finalize(() => void job.close()))),
    ),
  );
}

function sampleAll(job: SampleJob, context: StageContext): Observable<StageEvent> {
  const progress = job.progress.pipe(everyMs(progressEveryMs));
  const work = allWork(job, context).pipe(
    finalize(() => {
      job.progress.complete();
    }),
  );
  return concat(from(job.notices()), merge(progress, work)).pipe(abortable<StageEvent>(context.signal));
}

function allWork(job: SampleJob, context: StageContext): Observable<StageEvent> {
  return sharedOut(
    context,
    (workers) => from(job.missing(workers)).pipe(mergeMap((batches) => makeAll(job, batches))),
    () => complete(job, new Set()),
  );
}

/** Makes what is missing and puts it all together; a picture that cannot be read then is made again, once. */
function complete(job: SampleJob, madeAgain: Set<number>): Observable<StageEvent> {
  return concat(
    defer(() => job.missing()).pipe(mergeMap((batches) => makeAll(job, batches))),
    defer(() => job.finish()).pipe(
      mergeMap((summary) => from([summary, job.usage()])),
      catchError((error: unknown) => {
        if (!(error instanceof DamagedSample)) throw error;
        const { sample } = error;
        if (madeAgain.has(sample)) throw damagedAgain(sample);
        madeAgain.add(sample);
        return concat(
          from([
            { type: 'notice', level: 'warning', message: `${error.message} It is made again.` } as const,
          ]),
          defer(() => job.discard(sample)).pipe(ignoreElements()),
          complete(job, madeAgain),
        );
      }),
    ),
  );
}

/** Draws batch after batch; each is decoded and written while the next is drawn. */
function makeAll(job: SampleJob, batches: readonly SampleBatch[]): Observable<never> {
  return prefetch(
    batches,
    batchesAtOnce,
    oneByOne((batch: SampleBatch) => job.draw(batch)),
    (drawn: Drawn) => job.write(drawn),
  ).pipe(ignoreElements());
}
