import type { PlannedStage } from '../pipeline/plan/plan.js';
import { formatReason } from '../pipeline/plan/reasons.js';
import type { Acceptance, Json } from '../pipeline/stage.js';
import { formatDuration, summaryFacts } from './format.js';
import { shortPath } from './paths.js';

/** What a cached stage took and gave, in a line; empty where it is not cached. */
export function cachedLine({ output }: PlannedStage): string {
  return output === undefined
    ? ''
    : [formatDuration(output.seconds), ...summaryFacts(output.summary)].join(' · ');
}

/** Told of a stage whose output is used though what it was made from is not there any more. */
export const goneSentence = (location: string): string =>
  `${shortPath(location)} is gone; the output that was made from it is used`;

/** Told of an output that someone accepted. */
const acceptedSentence = ({ at, differences }: Acceptance): string =>
  `accepted on ${at.slice(0, 10)} as it is: ${differences.join('; ')}`;

/** What is to be known of a cached output: a line each. */
export const cachedNotes = ({
  gone = [],
  accepted,
}: {
  readonly gone?: readonly string[];
  readonly accepted?: Acceptance;
}): readonly string[] => [...gone.map(goneSentence), ...(accepted ? [acceptedSentence(accepted)] : [])];

/** What every plan says of a stage to programs. */
export function plannedStageJson({ stage, fingerprint, place, reasons, gone, accepted }: PlannedStage) {
  return {
    stage: stage.id,
    kind: stage.kind,
    state: reasons.length > 0 ? 'runs' : 'cached',
    reasons: reasons.map((reason) => ({ ...reason, text: formatReason(reason) })),
    fingerprint,
    output: place.directory,
    gone,
    ...(accepted && { accepted: { ...accepted } }),
  } satisfies Json;
}
