import { integrate } from '../integrate.js';
import { type PhaseStep, phasedSteps } from '../phased-steps.js';
import type { PhaseOptions } from '../phases.js';
import type { FollowPath, PathInputs } from './path.js';

/** The steps of one model along a batch's path. */
export interface GridSteps {
  readonly step: PhaseStep;
  readonly lastStep?: PhaseStep;
}

/** A method of given steps: for one batch, the steps of each phase's model. */
export type GridMethod = (inputs: PathInputs) => readonly GridSteps[];

export interface Grid {
  /** Ascending or descending. */
  readonly times: readonly number[];
  /** Time that the last step covers, where the method has one. */
  readonly lastStepSize: number;
}

/** Steps from one time of a grid to the next, each sample by the model of its phase. */
export function gridPath(
  { times, lastStepSize }: Grid,
  phases: PhaseOptions,
  method: GridMethod,
): FollowPath {
  return async (inputs) => {
    const { init, onProgress, onState, signal } = inputs;
    const models = method(inputs);
    const phased = phasedSteps(
      init.shape[0]!,
      phases,
      models.map(({ step }) => step),
    );
    const lastSteps = models.flatMap(({ lastStep }) => (lastStep === undefined ? [] : [lastStep]));
    const hasLastStep = lastSteps.length > 0;
    const total = times.length - 1 + (hasLastStep ? 1 : 0);
    let done = 0;
    const x = await integrate({
      init,
      times,
      step: phased.step,
      ...(hasLastStep && { lastStep: { size: lastStepSize, step: phased.by(lastSteps) } }),
      onStep: (states) => {
        done++;
        onState?.(states, done);
        onProgress?.(done / total);
      },
      ...(signal && { signal }),
    });
    return { x, steps: new Array<number>(x.shape[0]!).fill(total), switches: phased.switches };
  };
}
