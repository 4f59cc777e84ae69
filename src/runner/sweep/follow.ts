import { expectedTimes } from '../plan/time.js';
import type { TimedRunEvent } from '../run/events.js';
import { type PlannedTrial, sharedStages } from './plan-sweep.js';
import { SweepProgress } from './progress.js';
import type { TrialOutput, WholeProgress } from './trial.js';

/** Digits of a recipe that tell outputs apart; as many as the store's folders have. */
const recipeDigits = 16;
const short = (recipe: string): string => recipe.slice(0, recipeDigits);

/** Keeps up with the outputs of a sweep's trials: which are there, how long they took, and how far the whole is. */
export class OutputsFollowed {
  /** Time that stages have worked in this call of the sweep. */
  workedSeconds = 0;
  private readonly progress: SweepProgress;
  private readonly shared: ReadonlySet<string>;
  /** Time that outputs took which are there, by their recipes. */
  private readonly took = new Map<string, number>();

  constructor(
    private readonly planned: readonly PlannedTrial[],
    parallel: number,
  ) {
    this.shared = planned.length > 1 ? sharedStages(planned) : new Set();
    for (const { recipe, reasons, output } of planned.flatMap(({ stages }) => stages))
      if (reasons.length === 0 && output !== undefined) this.took.set(recipe, output.seconds);
    this.progress = new SweepProgress(
      planned.map((trial) => this.outputsOf(trial)),
      Math.min(parallel, planned.length),
    );
  }

  get whole(): WholeProgress {
    return this.progress.whole;
  }

  /** Outputs of a trial by stage, as they are now. */
  outputsOf({ stages }: PlannedTrial): Readonly<Record<string, TrialOutput>> {
    const outputs = stages.map(({ stage: { id }, recipe }) => {
      const seconds = this.took.get(recipe);
      return [id, { recipe: short(recipe), ...(seconds !== undefined && { seconds }) }] as const;
    });
    return Object.fromEntries(outputs);
  }

  /** Time of the stages that are a trial's own. */
  ownSeconds(stageSeconds: Readonly<Record<string, number>>): number {
    return Object.entries(stageSeconds).reduce(
      (sum, [stage, seconds]) => sum + (this.shared.has(stage) ? 0 : seconds),
      0,
    );
  }

  /** Takes in what a trial's run says. */
  take({ stages }: PlannedTrial, event: TimedRunEvent): void {
    if (!('stage' in event)) return;
    const recipe = stages.find(({ stage: { id } }) => id === event.stage)?.recipe ?? '';
    if (event.type === 'stage-finished' || event.type === 'stage-cached') {
      if (event.type === 'stage-finished') this.workedSeconds += event.seconds;
      this.took.set(recipe, event.totalSeconds);
      this.progress.finish(short(recipe), event.totalSeconds);
    } else if (event.type === 'stage-event' && event.event.type === 'progress')
      this.progress.advance(short(recipe), event.event, performance.now() / 1000);
  }

  /** Leaves out what only trials need that are not to go on. */
  leaveOut(trials: ReadonlySet<PlannedTrial>): void {
    const needed = this.planned.filter((trial) => !trials.has(trial)).flatMap(({ stages }) => stages);
    this.progress.keepOnly(new Set(needed.map(({ recipe }) => short(recipe))));
  }

  /** Asks records of earlier outputs how long those take that are to be made. */
  async expectTimes(runsRoot: string): Promise<void> {
    const asked = new Set<string>();
    for (const { trial, stages } of this.planned) {
      const open = stages.filter(({ reasons, recipe }) => reasons.length > 0 && !asked.has(recipe));
      for (const { recipe } of open) asked.add(recipe);
      if (open.length === 0) continue;
      const times = await expectedTimes({ pipeline: trial.pipeline, stages, runsRoot });
      for (const { stage, recipe } of open) {
        const range = times.get(stage.id)?.seconds;
        if (range !== undefined) this.progress.expect(short(recipe), (range[0] + range[1]) / 2);
      }
    }
  }
}
