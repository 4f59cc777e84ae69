import type { Part, ReportedStage } from '../../pages/html.js';
import { readConfiguration } from '../../runner/runs/configuration.js';
import type { Run } from '../../runner/runs/run.js';
import { readRunStages } from './run-stages.js';

/** A run beside others on a page. */
export interface ComparedRun {
  /** Name that tells it from the others. */
  readonly name: string;
  /** Number of its line, from 0: the same in every chart of the page. */
  readonly line: number;
  /** Keys in which it differs from others, with its values. */
  readonly values: readonly (readonly [key: string, value: string])[];
  /** The figure by which it is compared. */
  readonly figure?: Part;
  readonly stages: readonly ReportedStage[];
}

/** Reads what pages show of runs beside each other. */
export function readCompared(
  runs: readonly (Omit<ComparedRun, 'line' | 'stages'> & { readonly run: Run })[],
): Promise<readonly ComparedRun[]> {
  return Promise.all(
    runs.map(async ({ run, ...facts }, line) => ({
      ...facts,
      line,
      stages: await readRunStages(run, await readConfiguration(run)),
    })),
  );
}

/** True for a stage of which all runs have the same output: what it shows lies on each other. */
export function isShared(id: string, runs: readonly ComparedRun[]): boolean {
  const outputs = runs.map(({ stages }) => stages.find(({ stage }) => stage === id)?.directory);
  return runs.length > 1 && outputs.every((output) => output === outputs[0]);
}
