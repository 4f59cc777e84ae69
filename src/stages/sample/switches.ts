import { join } from 'node:path';
import { writeFileWhole } from '../../base/output-file.js';
import { sitCost } from '../../models/sit/cost.js';
import { largestCost, phasedCost, predictedSteps, stepCosts, stepEvaluations } from '../../sampling/index.js';
import type { PhaseSwitch, PredictedSteps } from '../../sampling/index.js';
import type { FoundModel, FoundModels } from './models.js';
import type { RunnablePlan } from './plan.js';
import type { SampleRecord } from './records.js';

/** `switches.json`: when each sample went from model to model. */
interface SwitchesFile {
  readonly firstSteps: number;
  readonly distance: 'mae' | 'mse';
  readonly switchRatios: readonly number[];
  /** Steps of a path, the last one included. */
  readonly steps: number;
  readonly phases: readonly {
    readonly stage: string;
    /** Mediators of each block. */
    readonly mediators: readonly number[];
    /** Cost of one evaluation for one sample. */
    readonly multiplyAccumulates: number;
  }[];
  /** Steps of each sample (from 0) after which the second phase began, the third, and so on; null: never. */
  readonly samples: readonly (readonly (number | null)[])[];
  /** Multiply-accumulates saved against the largest model alone, computed at every step. */
  readonly savedFraction: number;
}

/** The steps after which one sample went on, for each phase but the first. */
export function switchSteps(
  switches: readonly PhaseSwitch[],
  row: number,
  phases: number,
): (number | null)[] {
  const own = switches.filter((found) => found.row === row);
  return Array.from({ length: phases - 1 }, (_, i) => own.find(({ to }) => to > i)?.step ?? null);
}

/** Writes `switches.json`. Gives the share of multiply-accumulates that was saved. */
export async function writeSwitches(
  directory: string,
  plan: RunnablePlan,
  models: FoundModels,
  records: readonly SampleRecord[],
): Promise<number> {
  const { firstSteps, distance, switchRatios } = plan.switching;
  const file: SwitchesFile = {
    firstSteps,
    distance,
    switchRatios,
    steps: Math.max(...records.map(({ steps = 0 }) => steps)),
    phases: models.phases.map(({ stage, saved }) => ({
      stage,
      mediators: saved.config.mediators,
      multiplyAccumulates: sitCost(saved.config).multiplyAccumulates,
    })),
    samples: records.map(({ switches = [] }) => switches),
    savedFraction: savedFraction(plan, models, records),
  };
  await writeFileWhole(join(directory, 'switches.json'), `${JSON.stringify(file)}\n`);
  return file.savedFraction;
}

/** The share of multiply-accumulates saved against the largest model alone, computed at every step. */
export function savedFraction(
  plan: RunnablePlan,
  models: FoundModels,
  records: readonly Pick<SampleRecord, 'steps' | 'switches'>[],
): number {
  const known = new Map<number, PathCosts>();
  let spent = 0;
  let largest = 0;
  for (const { steps = 0, switches = [] } of records) {
    const found = known.get(steps) ?? pathCosts(models, plan, steps);
    known.set(steps, found);
    spent += phasedCost(found.costs, switches, found.predicted);
    largest += largestCost(found.costs);
  }
  return 1 - spent / largest;
}

/** Cost of the steps of a sample's path in each phase, and which of them are predicted. */
interface PathCosts {
  readonly costs: readonly (readonly number[])[];
  readonly predicted: PredictedSteps | undefined;
}

interface CostedModel {
  readonly saved: Pick<FoundModel['saved'], 'config' | 'interpolant' | 'prediction'>;
}

/** Models as far as costs depend on them. */
interface CostedModels {
  readonly phases: readonly CostedModel[];
  readonly base?: CostedModel | undefined;
}

/** @param adaptiveSteps how many a method that chooses its own took */
export function pathCosts(
  { phases, base }: CostedModels,
  { settings, acting }: Pick<RunnablePlan, 'settings' | 'acting'>,
  adaptiveSteps?: number,
): PathCosts {
  const evaluations = stepEvaluations(phases[0]!.saved, settings, acting, adaptiveSteps);
  const networks = phases.map(({ saved }) => ({ model: saved, ...(base && { base: base.saved }) }));
  return {
    costs: networks.map((network) => stepCosts(network, evaluations)),
    predicted: predictedSteps(networks, settings, evaluations),
  };
}
