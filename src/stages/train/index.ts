import { relative } from 'node:path';
import { EMPTY, type Observable, concat, defer, finalize, from, mergeMap } from 'rxjs';
import type { TrainConfig } from '../../config/generated/index.js';
import type { SiTConfig } from '../../models/sit/config.js';
import type { Carry } from '../../models/sit/carry.js';
import { sitCost, trainingOperations } from '../../models/sit/cost.js';
import { sitParameters } from '../../models/sit/parameters.js';
import { openSitSession } from '../../models/sit/session.js';
import { initialValues } from '../../nn/parameters.js';
import type { StageContext, StageEvent } from '../../pipeline/stage.js';
import { type ProgramSession, engineKind, matmulRate, sizeOf } from '../../tensorflow/index.js';
import type { Accumulation } from '../../training/accumulation.js';
import { checkpointPath, groupPath } from '../../training/checkpoint.js';
import { checkpointSchedule } from '../../training/checkpoint-schedule.js';
import { type StateGroup, averageGroups } from '../../training/state-groups.js';
import { openTrainer } from '../../training/open-trainer.js';
import { toMegabytes } from '../memory.js';
import { onEngine } from '../on-engine.js';
import { type TrainingJob, checkpointFolder, trainingSteps } from '../training-stream.js';
import { batchShare, isFirstWorker, workerServer } from '../workers.js';
import { latentBatches } from './data/latent-batches.js';
import { openTrainingData } from './data/open-training-data.js';
import type { TrainingData } from './data/training-data.js';
import { stepsPerEpoch, totalSteps } from './length.js';
import { inputSpecs, lossProgram } from './loss-program.js';
import { expectedMemory, requireTrainingMemory } from './memory.js';
import { modelConfig } from './model-config.js';
import { SampleGrids } from './samples/sample-grids.js';
import { writeSavedModel } from './saved-model.js';
import { type StartModel, carryFrom, findStart, startFrom, startSummary } from './start.js';

/** Trains a SiT with attention mediators. */
export function run(config: TrainConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    from(Training.open(config, context)).pipe(
      mergeMap((training) =>
        concat(
          from(training.notices()),
          defer(() => trainingSteps(training.job(), context)),
          isFirstWorker(context) ? defer(() => training.finish()) : EMPTY,
        ).pipe(finalize(() => void training.close())),
      ),
    ),
  );
}

class Training {
  private readonly session: ProgramSession;

  private constructor(
    private readonly config: TrainConfig,
    private readonly context: StageContext,
    private readonly data: TrainingData,
    private readonly model: SiTConfig,
    private readonly start: (StartModel & { readonly carry: Carry }) | undefined,
  ) {
    this.session = openSitSession(context.runtime, workerServer(context));
  }

  static async open(config: TrainConfig, context: StageContext): Promise<Training> {
    const start = await findStart(config, context);
    const data = await openTrainingData(config, context, start?.description);
    try {
      const [latentSize, , channels] = data.shape;
      const model = modelConfig(config, { latentSize, channels, classes: data.classes.length });
      if (start === undefined) return new Training(config, context, data, model, undefined);
      const { name, description } = start;
      const carry = carryFrom(name, description, config, { config: model, classes: data.classes });
      return new Training(config, context, data, model, { ...start, carry });
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  /** What a model that training starts from gives it. */
  notices(): readonly StageEvent[] {
    const { start, context } = this;
    if (start === undefined || !isFirstWorker(context)) return [];
    const message = `Starts ${startSummary(start.name, start.carry).join('; ')}.`;
    return [{ type: 'notice', level: 'info', message }];
  }

  job(): TrainingJob {
    const { config, context, data, model, start } = this;
    const { normalization } = data;
    const { samples } = config;
    const share = batchShare(config.globalBatch, context.workers);
    const parameters = sitParameters(model);
    // Only the processor's memory is known here.
    if (context.runtime.device === 'cpu') requireTrainingMemory(config, model, share.size, data.readingBytes);
    return {
      trainer: openTrainer(this.session, {
        parameters,
        inputs: inputSpecs(share.size, data.shape),
        loss: lossProgram(config, model, normalization),
        optimizer: { betas: config.betas, epsilon: 1e-8, weightDecay: config.weightDecay },
        averageDecays: [config.ema].flat(),
        gradientClip: config.gradientClip,
        accumulation: accumulation(config),
      }),
      start: (trainer) =>
        start === undefined
          ? trainer.start(initialValues(parameters, context.seed))
          : startFrom(trainer, start, start.carry, [config.ema].flat(), context.seed),
      load: latentBatches(data, config, context.seed, share),
      schedule: {
        kind: config.schedule,
        learningRate: config.learningRate,
        warmupSteps: config.warmupSteps,
        totalSteps: totalSteps(config, data.count),
      },
      logEverySteps: config.logEverySteps,
      records: {
        config: config.records,
        samples: config.globalBatch,
        operations: share.size * trainingOperations(sitCost(model)),
        ...(engineKind() === 'native' && { peak: () => matmulRate(context.runtime) }),
      },
      checkpoint: checkpointSchedule(config.checkpoint, stepsPerEpoch(config, data.count)),
      ...(samples &&
        isFirstWorker(context) && {
          pictures: new SampleGrids({ config, samples, model, normalization }, context),
        }),
    };
  }

  async finish(): Promise<StageEvent> {
    const { config, context, data, model } = this;
    const steps = totalSteps(config, data.count);
    const checkpoint = checkpointPath(checkpointFolder(context.directory), steps);
    const decays = [config.ema].flat();
    const path = (group: StateGroup) => relative(context.directory, groupPath(checkpoint, group));
    await writeSavedModel(context.directory, {
      format: 'sit-1',
      config: model,
      interpolant: config.interpolant,
      prediction: config.prediction,
      normalization: data.normalization,
      classes: data.classes,
      steps,
      weights: {
        raw: path('weights'),
        ema: path('average'),
        ...Object.fromEntries(averageGroups(decays).map((group, i) => [`ema-${decays[i]!}`, path(group)])),
      },
    });
    const share = batchShare(config.globalBatch, context.workers);
    const parameters = sitParameters(model).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return {
      type: 'summary',
      values: {
        steps,
        ...(this.start && { start: startSummary(this.start.name, this.start.carry) }),
        parameters,
        samples: steps * config.globalBatch,
        expectedMemoryMegabytes: toMegabytes(expectedMemory(config, model, share.size, data.readingBytes)),
      },
    };
  }

  async close(): Promise<void> {
    await this.session.close();
    await this.data.close();
  }
}

/** A batch in parts, where it is computed in more than one. */
function accumulation({ accumulate }: TrainConfig): Accumulation | undefined {
  if (accumulate === 1) return undefined;
  return { parts: accumulate, perSample: ['mean', 'std', 'labels'], firstSample: 'firstSample' };
}
