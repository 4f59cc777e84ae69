import { relative } from 'node:path';
import { concat, defer, EMPTY, finalize, from, mergeMap, type Observable, of } from 'rxjs';
import { UserError } from '../../base/errors.js';
import { fromWork } from '../../base/streams.js';
import type { TrainConfig } from '../../generated/index.js';
import type { Carry } from '../../models/sit/carry.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { openSitSession } from '../../models/sit/sit.js';
import { numbersIn } from '../../nn/parameter.js';
import { initialValues, madeValues } from '../../nn/parameters.js';
import type { RuntimeConfig, StageContext, StageEvent } from '../../runner/stage.js';
import { engineKind, forgetPeakGpuMemory, matmulRate, type ProgramSession } from '../../tensorflow/index.js';
import { averageName, decaysOf, powerAverages } from '../../training/averages.js';
import { averageGroups, type StateGroup } from '../../training/checkpoint-manifest.js';
import { checkpointPath, groupPath } from '../../training/checkpoint.js';
import { muonCost } from '../../training/muon-cost.js';
import { openTrainer } from '../../training/open-trainer.js';
import { checkpointSchedule } from '../../training/schedule.js';
import { writeSavedModel } from '../../weights/saved-files.js';
import { batchShare, isFirstWorker, onEngine, workerServer } from '../shared/engine.js';
import { foldedGuidance } from '../shared/guidance-checks.js';
import { computingGpu, toMegabytes } from '../shared/memory.js';
import { checkpointFolder, type TrainingJob, trainingSteps } from '../training/stream.js';
import { AlignedFeatures } from './aligned-features.js';
import { latentBatches, type TrainingData } from './batches.js';
import { Beside } from './beside.js';
import { operationsOfSteps } from './beside-cost.js';
import { modelConfig } from './config.js';
import {
  requireClassesToGuide,
  requireEffects,
  requireWholePatches,
  stepsPerEpoch,
  totalSteps,
} from './facts.js';
import { inputSpecs, lossOptions, lossProgram, untilSpec } from './loss.js';
import { expectedMemory, requireTrainingMemory, type TrainingNeed } from './memory.js';
import { openTrainingData } from './open-data.js';
import { TrainingEvaluations } from './evaluations.js';
import { SampleGrids } from './samples.js';
import { AverageSnapshots } from './snapshots.js';
import { carryFrom, findStart, otherScale, startFrom, type StartModel, startSummary } from './start.js';
import { passes, Teacher } from './teacher.js';
import { trainerOptions } from './trainer-options.js';

/** Trains a SiT with attention mediators. */
export function run(config: TrainConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    fromWork<StageEvent | Training>(async (tell) => {
      tell(await Training.open(config, context, tell));
    }).pipe(
      mergeMap((opened) =>
        opened instanceof Training
          ? concat(
              from(opened.notices()),
              defer(() => trainingSteps(opened.job(), context)),
              isFirstWorker(context) ? defer(() => opened.finish()) : EMPTY,
            ).pipe(finalize(() => void opened.close()))
          : of(opened),
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
    private readonly teacher: Teacher | undefined,
    private readonly features: AlignedFeatures | undefined,
  ) {
    this.session = openSitSession(context.runtime, workerServer(context));
  }

  /** @param tell is told what takes long on the way */
  static async open(
    config: TrainConfig,
    context: StageContext,
    tell: (event: StageEvent) => void,
  ): Promise<Training> {
    const start = await findStart(config, context);
    const taught = await Teacher.find(config, context);
    const data = await openTrainingData(config, context, start?.description ?? taught);
    try {
      const [latentSize, , channels] = data.shape;
      const model = modelConfig(config, { latentSize, channels, classes: data.classes.length });
      requireWholePatches(model);
      requireClassesToGuide(config, model);
      const { interpolant, prediction, teacher: asked } = config;
      const own = { interpolant, prediction, config: model, ...data };
      const steps = totalSteps(config, data.count);
      requireEffects(config, steps);
      const teacher =
        asked && taught && Teacher.of({ ...config, teacher: asked }, taught, own, steps, context);
      const { featureAlignment } = config;
      const features =
        featureAlignment && (await AlignedFeatures.open(featureAlignment, context, data, model, tell));
      if (start === undefined)
        return new Training(config, context, data, model, undefined, teacher, features);
      const { name, description } = start;
      const carry = carryFrom(name, description, config, { config: model, classes: data.classes });
      return new Training(config, context, data, model, { ...start, carry }, teacher, features);
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  /** Notices about what models that training starts or learns from give it. */
  notices(): readonly StageEvent[] {
    const { start, teacher, context, config, data } = this;
    if (!isFirstWorker(context)) return [];
    const model = start ?? (teacher && { name: config.teacher!.model, description: teacher.saved });
    const scale = model && otherScale(model, (config.latents ?? config.autoencoder)!, data);
    return [
      ...(start === undefined ? [] : [`Starts ${startSummary(start, start.carry).join('; ')}.`]),
      ...(teacher === undefined ? [] : [`Learns ${teacher.summary.join('; ')}.`]),
    ]
      .map((message): StageEvent => ({ type: 'notice', level: 'info', message }))
      .concat(scale === undefined ? [] : [{ type: 'notice', level: 'warning', message: scale }]);
  }

  /** Evaluations of the process that writes what belongs to the whole output. */
  private get evaluations(): TrainingEvaluations | undefined {
    const { config, context, data, model } = this;
    const { evaluate } = config;
    if (evaluate === undefined || !isFirstWorker(context)) return undefined;
    const { classes, normalization } = data;
    const options = { config, evaluate, model, classes, normalization };
    return new TrainingEvaluations({ ...options, totalSteps: totalSteps(config, data.count) }, context);
  }

  /** Snapshots of the process that writes what belongs to the whole output. */
  private get snapshots(): AverageSnapshots | undefined {
    const { config, context } = this;
    const averages = powerAverages(config.ema);
    return averages && isFirstWorker(context) ? new AverageSnapshots(context.directory, averages) : undefined;
  }

  job(): TrainingJob {
    const { config, context, data, model, start, teacher } = this;
    const { normalization } = data;
    const { samples } = config;
    const share = batchShare(config.globalBatch, context.workers);
    const parameters = sitParameters(model);
    const options = lossOptions(config, model, normalization);
    const beside = new Beside({ config, ...options, features: this.features, seed: context.seed });
    const ofBeside = beside.inputs(share.size);
    const load = latentBatches(data, config, context.seed, share, (draws, step) => beside.batch(draws, step));
    const heads = beside.heads?.flatMap((head) => head.parameters) ?? [];
    requireTrainingMemory(this.need(share.size));
    const ofMuon = config.optimizer ? 2 * muonCost(parameters).multiplyAccumulates : 0;
    return {
      trainer: openTrainer(this.session, {
        parameters,
        heads: beside.heads,
        frozen: teacher?.weights,
        takesAverage: beside.takesAverage,
        inputs: {
          ...inputSpecs(share.size, data.shape),
          ...teacher?.inputs(share.size),
          ...untilSpec(config),
          ...ofBeside,
        },
        optional: Object.keys(ofBeside),
        loss: lossProgram(options, beside, teacher),
        ...trainerOptions(config),
      }),
      start: (trainer) => {
        const all = [...parameters, ...heads];
        if (start === undefined) return trainer.start(madeValues(all, context.seed));
        const begin = initialValues(all, context.seed);
        return startFrom(trainer, start, start.carry, decaysOf(config.ema), begin);
      },
      load: teacher === undefined ? load : async (step) => teacher.batch(await load(step), step),
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
        operations: (from, to) =>
          share.size *
            (operationsOfSteps(config, model, from, to) + (to - from) * (teacher?.operations ?? 0)) +
          (to - from) * ofMuon,
        ...(engineKind() === 'native' && { peak: () => bareRate(context.runtime) }),
      },
      checkpoint: checkpointSchedule(config.checkpoint, stepsPerEpoch(config, data.count)),
      ...(this.evaluations && { evaluations: this.evaluations }),
      ...(this.snapshots && { snapshots: this.snapshots }),
      ...(samples &&
        isFirstWorker(context) && {
          pictures: new SampleGrids(
            { config, samples, model, normalization, classes: data.classes },
            context,
          ),
        }),
    };
  }

  async finish(): Promise<StageEvent> {
    const { config, context, data, model } = this;
    const steps = totalSteps(config, data.count);
    const checkpoint = checkpointPath(checkpointFolder(context.directory), steps);
    const decays = decaysOf(config.ema);
    const path = (group: StateGroup) => relative(context.directory, groupPath(checkpoint, group));
    const best = await this.evaluations?.best();
    const snapshots = await this.snapshots?.all(steps, checkpoint);
    await writeSavedModel(context.directory, {
      format: 'sit-1',
      config: model,
      interpolant: config.interpolant,
      prediction: config.prediction,
      normalization: data.normalization,
      classes: data.classes,
      steps,
      ...((foldedGuidance(config) !== undefined || this.teacher?.saved.guided === true) && { guided: true }),
      weights: {
        raw: path('weights'),
        ema: path('average'),
        ...Object.fromEntries(
          averageGroups(decays).map((group, i) => [averageName(decays[i]!), path(group)]),
        ),
        ...(best && { best: best.path }),
      },
      ...(snapshots && { snapshots }),
    });
    const share = batchShare(config.globalBatch, context.workers);
    const parameters = numbersIn(sitParameters(model));
    return {
      type: 'summary',
      values: {
        steps,
        ...(this.start && { ...this.start.origin, start: startSummary(this.start, this.start.carry) }),
        ...(this.teacher && { teacher: this.teacher.summary }),
        parameters,
        ...(best && { bestStep: best.step }),
        ...(snapshots && { snapshots: snapshots.length }),
        samples: steps * config.globalBatch,
        expectedMemoryMegabytes: toMegabytes(expectedMemory(this.need(share.size))),
      },
    };
  }

  private need(share: number): TrainingNeed {
    const { config, context, data, model } = this;
    const workers = context.workers?.size ?? 1;
    const gpu = computingGpu(context.runtime);
    const teacher = this.teacher &&
      config.teacher && { model: this.teacher.model, passes: passes(config.teacher) };
    return { config, model, share, workers, gpu, teacher, readingBytes: data.readingBytes };
  }

  async close(): Promise<void> {
    await this.session.close();
    await this.data.close();
  }
}

/** The rate of bare products; undefined where there is no room for them beside the training, whose peak of memory they are no part of. */
async function bareRate(runtime: RuntimeConfig): Promise<number | undefined> {
  try {
    return await matmulRate(runtime);
  } catch (error) {
    if (error instanceof UserError && error.code === 'out-of-memory') return undefined;
    throw error;
  } finally {
    forgetPeakGpuMemory();
  }
}
