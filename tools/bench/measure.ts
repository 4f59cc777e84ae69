import { sitCost } from '../../src/models/sit/cost.js';
import { nativeBackend, peakMemoryBytes, recordSteps, type StepStats } from '../../src/tensorflow/index.js';
import { rateOf, secondsOf } from './bare-products.js';
import { bestOf } from './best-of.js';
import { eagerOperationSeconds, sessionCallSeconds } from './overheads.js';
import { forwardProducts, trainingProducts } from './products.js';
import { forward, samplingStep, trainStep, type Work, type Workload } from './workload.js';

/** One measurement. Times are the best of the repeats after a warm-up; memory is the process's peak so far. */
export interface Measurement {
  readonly what: string;
  readonly seconds: number;
  readonly peak_rss_mb: number;
  readonly images_per_s?: number;
  readonly gflops?: number;
  /** Part of the rate that the same matrix products reach by themselves, measured in the same run. */
  readonly share_of_matmuls?: number;
}

/** Steps that a profile traces. */
const profiledSteps = 5;
/** Gradients by both factors of each product cost twice what the product does. */
const trainingFactor = 3;

const works = [
  { what: 'forward', prepare: forward, factor: 1, products: forwardProducts },
  { what: 'sampling step', prepare: samplingStep, factor: 1, products: forwardProducts },
  { what: 'train step', prepare: trainStep, factor: trainingFactor, products: trainingProducts },
] as const;

/**
 * Measures a workload: bare products, the network, its sampling and training steps, and what calls cost.
 * @param onProfile told five traced steps of each work, where given
 */
export async function* measure(
  workload: Workload,
  repeats: number,
  onProfile?: (what: string, steps: readonly StepStats[]) => void,
): AsyncGenerator<Measurement> {
  const { model, batch, runtime } = workload;
  nativeBackend(runtime);
  for (const { what, prepare, factor, products } of works) {
    const bare = await secondsOf(products(model, batch), runtime, repeats);
    if (what !== 'sampling step')
      yield row(`bare matmuls of the ${what}`, bare, { gflops: rateOf(products(model, batch), bare) });
    const work = await prepare(workload);
    try {
      const start = performance.now();
      await work.run();
      const first = (performance.now() - start) / 1000;
      const seconds = await bestOf(() => work.run(), repeats);
      if (onProfile !== undefined) onProfile(what, await profile(work));
      yield row(`tracing and first ${what}`, first);
      yield row(what, seconds, {
        images_per_s: batch / seconds,
        gflops: (2e-9 * factor * batch * sitCost(model).multiplyAccumulates) / seconds,
        share_of_matmuls: bare / seconds,
      });
    } finally {
      await work.session.close();
    }
  }
  yield row('session call', await sessionCallSeconds());
  yield row('eager operation', eagerOperationSeconds());
}

async function profile(work: Work): Promise<readonly StepStats[]> {
  const recording = recordSteps(profiledSteps);
  let steps: readonly StepStats[] | undefined;
  void recording.done.then((recorded) => (steps = recorded));
  while (steps === undefined) await work.run();
  return steps;
}

/** A measurement, with the memory that the process has taken so far. */
export function row(what: string, seconds: number, figures: Partial<Measurement> = {}): Measurement {
  return { what, seconds, peak_rss_mb: Math.round(peakMemoryBytes() / 2 ** 20), ...figures };
}
