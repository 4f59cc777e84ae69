import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { metricsName, type MetricsRecord, readMetrics } from '../../formats/metrics-log.js';
import { tensorsPath } from '../../formats/safetensors/shards.js';
import type { TrainConfig } from '../../generated/index.js';
import { computeFrechetDistance, computeStatistics, rowsOf, type StoredRows } from '../../metrics/index.js';
import type { SiTConfig } from '../../models/sit/config.js';
import type { RuntimeConfig, StageContext } from '../../runner/stage.js';
import { float32 } from '../../tensorflow/data-types.js';
import { saveGroup } from '../../training/checkpoint.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import { stepName, stepsIn } from '../../training/step-names.js';
import type { Trainer } from '../../training/trainer.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { featureFigures } from '../evaluate/feature-figures.js';
import { StoredFeatures } from '../evaluate/feature-store.js';
import { headlines } from '../evaluate/figures.js';
import { openStageSet } from '../evaluate/image-set.js';
import { type FeatureNetwork, openEfficientNet } from '../evaluate/networks.js';
import { Decoder } from '../sample/decoder.js';
import { bestName } from '../training/files.js';
import type { StepEvaluations } from '../training/stream.js';
import { denormalized, drawAverage, signalWithin, spreadLabels } from './draw.js';

/** Options of the figures that a training stage computes while it trains. */
interface EvaluationOptions {
  readonly config: TrainConfig;
  readonly evaluate: NonNullable<TrainConfig['evaluate']>;
  readonly model: SiTConfig;
  readonly classes: readonly string[];
  readonly normalization: Normalization;
  readonly totalSteps: number;
}

/** Samples that are drawn, decoded and looked at together. */
export const evaluatedAtOnce = 64;
const averageName = 'average';

/**
 * Figures of samples of the moving average at steps of training, from the same noise and classes each time, and the
 * average that did best. Both are functions of the training: a run that resumes has the same ones.
 */
export class TrainingEvaluations implements StepEvaluations {
  /** The averages that are kept, each in a folder named after its step. */
  private readonly folder: string;

  constructor(
    private readonly options: EvaluationOptions,
    private readonly context: StageContext,
  ) {
    this.folder = join(context.directory, bestName);
  }

  isDue(step: number): boolean {
    const { evaluate, totalSteps } = this.options;
    return step === totalSteps || (step > 0 && step % evaluate.everySteps === 0);
  }

  async has(step: number): Promise<boolean> {
    return (await this.records()).some((record) => record.step === step && isEvaluation(record));
  }

  /** Removes the averages that were kept after a step. */
  async rewind(step: number): Promise<void> {
    for (const kept of await stepsIn(this.folder)) if (kept > step) await this.remove(kept);
  }

  /** Removes averages that better ones have replaced, once there is a checkpoint of a step to go on from. */
  async prune(step: number): Promise<void> {
    const replaced = (await stepsIn(this.folder)).filter((kept) => kept <= step).slice(0, -1);
    for (const kept of replaced) await this.remove(kept);
  }

  async evaluate(
    trainer: Trainer,
    step: number,
    onImages: () => void,
  ): Promise<Readonly<Record<string, number>>> {
    const signal = signalWithin(this.context);
    const network = await openEfficientNet(this.exact, () => undefined, signal);
    try {
      const features = await this.features(trainer, network, signal, onImages);
      const figures = await this.compare(features, network, signal, onImages);
      await this.keepIfBest(trainer, step, figures);
      return figures;
    } finally {
      await network.close();
    }
  }

  /** Path, in the stage's output, of the average that did best; nothing where none is kept. */
  async best(): Promise<{ readonly step: number; readonly path: string } | undefined> {
    const step = (await stepsIn(this.folder)).at(-1);
    return step === undefined
      ? undefined
      : { step, path: tensorsPath(join(bestName, stepName(step)), averageName) };
  }

  /** Draws the samples, and computes their features. */
  private async features(
    trainer: Trainer,
    network: FeatureNetwork,
    signal: AbortSignal,
    onImages: () => void,
  ): Promise<StoredRows> {
    const { config, evaluate, model, normalization } = this.options;
    const width = network.widths[network.main]!;
    const features = new Float32Array(evaluate.count * width);
    const { directory } = this.context.input(evaluate.autoencoder);
    const autoencoder = await Autoencoder.open(directory, this.context.runtime);
    try {
      const decoder = new Decoder(autoencoder, evaluatedAtOnce);
      const what = { model, transport: config, labels: this.labels(), stream: 'training evaluation' };
      const options = { ...what, batch: evaluatedAtOnce };
      const latents = drawAverage(trainer, evaluate, options, this.context, signal);
      let done = 0;
      for await (const { shape, data } of latents) {
        const images = await decoder.decode(
          float32(shape, denormalized(data as Float32Array, normalization)),
        );
        const [{ width: side, height }] = images as [(typeof images)[0]];
        const pixels = new Uint8Array(images.length * side * height * 3);
        for (const [i, image] of images.entries()) pixels.set(image.data, i * side * height * 3);
        const found = await network.features(
          { shape: [images.length, height, side, 3], data: pixels },
          'images',
        );
        features.set(found[network.main]!.data, done * width);
        done += images.length;
        onImages();
      }
    } finally {
      await autoencoder.close();
    }
    const { data, count } = rowsOf(width, features);
    const read = (first: number, rows: number) =>
      Promise.resolve((data as Float32Array).slice(first * width, (first + rows) * width));
    return { count, width, read };
  }

  private async compare(
    rows: StoredRows,
    network: FeatureNetwork,
    signal: AbortSignal,
    onImages: () => void,
  ): Promise<Record<string, number>> {
    const { evaluate, classes } = this.options;
    const { metrics, reference } = evaluate;
    const { exact } = this;
    const set = await openStageSet(reference, this.context);
    try {
      const options = { batch: evaluatedAtOnce, signal, directory: this.context.directory, onImages };
      const stored = await StoredFeatures.of(network, set, options);
      const figures: Record<string, number> = {};
      if (metrics.includes('frechetDistance'))
        figures.frechetDistance = await computeFrechetDistance(
          await computeStatistics(rows, exact, signal),
          await stored.statistics(network.main, exact, signal),
          exact,
          signal,
        );
      const own = { name: 'samples', labels: { numbers: this.labels(), names: classes }, rows };
      const other = { ...set, rows: stored.rows(network.main) };
      return { ...figures, ...(await featureFigures(metrics, own, other, exact, { signal })) };
    } finally {
      await set.close();
    }
  }

  /** Options with which features are computed and compared, whatever the training's precision. */
  private get exact(): RuntimeConfig {
    return { ...this.context.runtime, precision: 'float32' };
  }

  private labels(): Int32Array {
    return spreadLabels(this.options.evaluate.count, this.options.model.classes);
  }

  /** Keeps the average where it does better than at every earlier evaluation. */
  private async keepIfBest(
    trainer: Trainer,
    step: number,
    figures: Readonly<Record<string, number>>,
  ): Promise<void> {
    const { best } = this.options.evaluate;
    if (best === undefined) return;
    const sign = headlines.find(({ name }) => name === best)!.better === 'more' ? -1 : 1;
    const earlier = (await this.records()).filter((record) => record.step < step);
    if (earlier.some((record) => sign * (record[best] ?? sign * Infinity) <= sign * figures[best]!)) return;
    const path = join(this.folder, stepName(step));
    const partial = `${path}.partial`;
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    await saveGroup(partial, trainer, averageName);
    await rm(path, { recursive: true, force: true });
    await rename(partial, path);
  }

  private records(): Promise<MetricsRecord[]> {
    return readMetrics(join(this.context.directory, metricsName));
  }

  private remove(step: number): Promise<void> {
    return rm(join(this.folder, stepName(step)), { recursive: true, force: true });
  }
}

const isEvaluation = (record: MetricsRecord): boolean =>
  ['frechetDistance', 'kernelDistance', 'precision', 'classAgreement'].some((name) => name in record);
