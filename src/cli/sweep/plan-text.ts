import { Chalk } from 'chalk';
import { counted } from '../../base/format.js';
import { shortNames } from '../../base/short-names.js';
import type { Pipeline } from '../../runner/pipeline.js';
import type { PlannedStage } from '../../runner/plan/plan.js';
import { formatReason } from '../../runner/plan/reasons.js';
import type { Json } from '../../runner/stage.js';
import { type Halving, halvingSentence } from '../../runner/sweep/halving.js';
import { type PlannedTrial, sharedStages, stagesToRun } from '../../runner/sweep/plan-sweep.js';
import { describeValues, sweptKeys } from '../../runner/sweep/trial.js';
import { cachedLine, cachedNotes, cachedWord, plannedStageJson } from '../planned.js';
import { shortPath } from '../services.js';

/**
 * Text on what a sweep would do: stages that all trials share first, then each trial; a stage that several share runs
 * once.
 */
export function sweepPlanText(
  pipeline: Pipeline,
  planned: readonly PlannedTrial[],
  halving: Halving | undefined,
  color: boolean,
): string {
  const { bold, dim, green, yellow } = new Chalk({ level: color ? 1 : 0 });
  const shared = sharedStages(planned);
  const names = shortNames(sweptKeys(planned.map(({ trial }) => trial)));
  const idWidth = Math.max(...planned.flatMap(({ stages }) => stages.map(({ stage }) => stage.id.length)));
  const firstIn = new Map<string, string>();
  const line = (planned: PlannedStage): string => {
    const { stage, reasons } = planned;
    const text = [
      reasons.length > 0 ? reasons.map(formatReason).join('; ') : dim(cachedLine(planned)),
      ...cachedNotes(planned),
    ].join('; ');
    return `  ${stage.id.padEnd(idWidth)}  ${reasons.length > 0 ? yellow('runs  ') : green(cachedWord(planned))}  ${text}`;
  };
  const lines = [
    `${bold(pipeline.name)} ${dim(shortPath(pipeline.file))}, ${counted(planned.length, 'trial')}`,
    '',
  ];
  const common = planned[0]?.stages.filter(({ stage }) => shared.has(stage.id)) ?? [];
  if (common.length > 0) lines.push('shared by all trials', ...common.map(line), '');
  for (const { trial, stages } of planned) {
    const own = stages.filter(({ stage }) => !shared.has(stage.id));
    const heading = `${trial.id}  ${bold(describeValues(trial.values, names))}`;
    if (own.every(({ reasons }) => reasons.length === 0)) {
      lines.push(`${heading}  ${green('cached')}`);
      continue;
    }
    lines.push(heading);
    for (const stage of own) {
      const same = firstIn.get(stage.recipe);
      lines.push(
        same === undefined ? line(stage) : dim(`  ${stage.stage.id.padEnd(idWidth)}  as in ${same}`),
      );
      firstIn.set(stage.recipe, same ?? trial.id);
    }
  }
  const toRun = new Set(
    planned.flatMap(({ stages }) => stages.flatMap((one) => (one.reasons.length > 0 ? [one.recipe] : []))),
  );
  const trialsToRun = planned.filter((trial) => stagesToRun(trial).length > 0).length;
  lines.push(
    '',
    trialsToRun === 0
      ? 'Nothing to run.'
      : `${trialsToRun} of ${counted(planned.length, 'trial')} to run: ${counted(toRun.size, 'stage')}.`,
  );
  if (halving !== undefined) lines.push(halvingSentence(halving));
  return `${lines.join('\n')}\n`;
}

export function sweepPlanJson(pipeline: Pipeline, planned: readonly PlannedTrial[]): Json {
  return {
    pipeline: pipeline.name,
    file: pipeline.file,
    shared: [...sharedStages(planned)],
    trials: planned.map(({ trial, stages }) => ({
      trial: trial.id,
      values: trial.values,
      set: trial.set,
      stages: stages.map(plannedStageJson),
    })),
  };
}
