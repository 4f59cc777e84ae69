import type { Part, ReportedStage } from '../../pages/html.js';
import { readConfiguration } from '../../runner/runs/configuration.js';
import type { Run } from '../../runner/runs/run.js';
import { readRunStages } from './run-stages.js';

/** A run beside others on a page. */
export interface ComparedRun {
  readonly run: Run;
  /** Name that tells it from the others. */
  readonly name: string;
  /** Number of its line, from 0: the same in every chart of the page. */
  readonly line: number;
  /** Keys in which it differs from others, with its values. */
  readonly values: readonly (readonly [key: string, value: string])[];
  /** Settings that it has in common with the runs that differ from it in their seed alone; absent where no seeds differ. */
  readonly seeds?: string | undefined;
  /** The figure by which it is compared. */
  readonly figure?: Part;
  readonly stages: readonly ReportedStage[];
}

/** Reads what pages show of runs beside each other. */
export function readCompared(
  runs: readonly Omit<ComparedRun, 'line' | 'stages'>[],
): Promise<readonly ComparedRun[]> {
  return Promise.all(
    runs.map(async (facts, line) => ({
      ...facts,
      line,
      stages: await readRunStages(facts.run, await readConfiguration(facts.run)),
    })),
  );
}

/** Keys at most in which a run is shown to differ. */
export const mostValues = 6;

/** True for a key that says where random numbers start. */
export const isSeed = (key: string): boolean => key === 'seed' || key.endsWith('.seed');

/** True for a stage of which all runs have the same output: what it shows lies on each other. */
export function isShared(id: string, runs: readonly ComparedRun[]): boolean {
  const outputs = runs.map(({ stages }) => stages.find(({ stage }) => stage === id)?.directory);
  return runs.length > 1 && outputs.every((output) => output === outputs[0]);
}
