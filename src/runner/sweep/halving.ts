import { UserError } from '../../base/errors.js';
import { formatCount } from '../../base/format.js';
import type { Halving as HalvingConfig } from '../../generated/index.js';
import type { PlannedStage } from '../plan/plan.js';
import type { Headline, StageKind } from '../stage.js';
import type { OutputPlace } from '../store/manifest.js';
import { differingKeys, type PlannedTrial, sharedStages } from './plan-sweep.js';

/** Successive halving: trials are compared at some steps of a stage, and the better share of them goes on. */
export interface Halving {
  readonly stage: string;
  readonly steps: readonly number[];
  readonly keep: number;
  /** Figure that trials are compared by. */
  readonly headline: Headline;
}

/**
 * Halving as a sweep asks for it; nothing where it does not.
 *
 * @throws UserError `halving-stage` or `halving-figure` where trials cannot be compared so
 */
export function halvingOf(
  config: HalvingConfig | undefined,
  planned: readonly PlannedTrial[],
): Halving | undefined {
  const [first] = planned;
  if (config === undefined || first === undefined) return undefined;
  const shared = sharedStages(planned);
  const id =
    config.stage ??
    first.stages.findLast(({ stage, kind }) => kind.onTheWay !== undefined && !shared.has(stage.id))?.stage
      .id;
  if (id === undefined)
    throw stageError(
      '`halving` needs a stage that counts steps and differs between trials; this sweep has none.',
    );
  let headline: Headline | undefined;
  for (const { stages } of planned) {
    const found = stages.find(({ stage }) => stage.id === id);
    if (found === undefined) throw stageError(`\`halving\` compares by ${id}, which not every trial has.`);
    if (shared.has(id)) throw stageError(`\`halving\` compares by ${id}, which is the same in all trials.`);
    const { kind } = found;
    if (kind.onTheWay === undefined)
      throw stageError(`\`halving\` compares by ${id}, a stage of kind ${kind.name}, which has no steps.`);
    headline ??= kind.onTheWay.headline;
  }
  const differing = differingKeys(planned, id, headline!);
  if (differing.length > 0)
    throw new UserError({
      code: 'halving-figure',
      usage: true,
      message: `\`halving\` compares by the ${headline!.name} of ${id}, which measures something else where \`${differing[0]!}\` does.`,
      remedy: `Leave \`halving\` out, and compare by figures of samples; or sweep with one value of \`${differing[0]!}\` at a time.`,
    });
  return { stage: id, steps: config.steps, keep: config.keep, headline: headline! };
}

const stageError = (message: string): UserError =>
  new UserError({
    code: 'halving-stage',
    usage: true,
    message,
    remedy: 'Name a stage whose progress is told in steps, and whose configuration the sweep varies.',
  });

/** A trial with its figure at a step. */
export interface Judged {
  readonly planned: PlannedTrial;
  readonly value: number;
}

/** The trials from the best to the worst; equals, and those that are no number, stay in the order of the sweep. */
export function ranked(judged: readonly Judged[], { better }: Headline): readonly Judged[] {
  const worth = ({ value }: Judged): number =>
    Number.isFinite(value) ? (better === 'less' ? -value : value) : -Infinity;
  return judged.toSorted((a, b) => {
    const [one, other] = [worth(a), worth(b)];
    return one === other ? 0 : other - one;
  });
}

/** Number of trials that go on. */
export const goingOn = (count: number, keep: number): number => Math.ceil(count * keep - 1e-9);

/** Figure of a trial's stage by which it is compared, and the fingerprint of what the stage has made. */
export interface Compared {
  readonly value: number;
  readonly fingerprint: string;
}

/**
 * Figure of a stage at a step, from what it left in its folder: its output, or what an interruption left. Nothing where it
 * has not come so far, or where what it is made from may still change.
 */
export async function figureAt(
  { stages }: PlannedTrial,
  { stage: id, headline }: Halving,
  step: number,
): Promise<Compared | undefined> {
  const at = stages.findIndex(({ stage }) => stage.id === id);
  const { kind, place, output } = stages[at]!;
  if (stages.slice(0, at).some(({ reasons }) => reasons.length > 0)) return undefined;
  return figureIn(kind, place, output === undefined ? 'partial' : 'directory', { headline, step });
}

export async function figureIn(
  kind: Pick<StageKind<unknown>, 'onTheWay'>,
  { fingerprint, ...folders }: OutputPlace,
  folder: 'partial' | 'directory',
  { headline, step }: Pick<Halving, 'headline'> & { readonly step: number },
): Promise<Compared | undefined> {
  const value = (await kind.onTheWay!.figuresAt(folders[folder], step))?.[headline.name];
  return value === undefined ? undefined : { value, fingerprint };
}

/** The planned stage that trials are compared by. */
export const judgedStage = ({ stages }: PlannedTrial, { stage: id }: Halving): PlannedStage =>
  stages.find(({ stage }) => stage.id === id)!;

/** Sentence on what halving will do. */
export function halvingSentence({ stage, steps, keep, headline }: Halving): string {
  const share = `${Number((100 * keep).toFixed(1))} %`;
  const at = steps.map(formatCount).join(', ');
  return `Stops bad trials: after ${at} steps of ${stage}, the ${share} of best ${headline.name} go on.`;
}
