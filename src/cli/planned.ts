import { formatBytes, formatDuration, formatPercent } from '../base/format.js';
import { summaryFacts } from '../pages/figures.js';
import type { PlannedStage } from '../runner/plan/plan.js';
import { isOfBusyMachine } from '../runner/plan/rates.js';
import { formatReason } from '../runner/plan/reasons.js';
import { headlineOf } from '../runner/runs/figures.js';
import type { Acceptance, Json } from '../runner/stage.js';
import { bytesOf } from '../runner/store/manifest.js';
import { shortPath } from './services.js';

/** Word on a stage that does not run: what `--pull` would bring is not here yet. */
export const cachedWord = ({ isElsewhere }: PlannedStage): string =>
  isElsewhere === true ? 'pull  ' : 'cached';

/** Line on what a cached stage took and gave; empty where it is not cached. */
export function cachedLine({ kind, output, isElsewhere }: PlannedStage): string {
  if (output === undefined) return '';
  const toBring = isElsewhere === true ? [`${formatBytes(bytesOf(output))} to bring`] : [];
  const headline = headlineOf(kind, output);
  const facts = summaryFacts({ ...output, ...(headline && { headline }) });
  return [...toBring, formatDuration(output.seconds), ...facts].join(' · ');
}

/** Note on a stage whose output is used though what it was made from is not there any more. */
const goneSentence = (location: string): string =>
  `${shortPath(location)} is gone; the output that was made from it is used`;

/** Note on an output that someone accepted. */
const acceptedSentence = ({ at, differences }: Acceptance): string =>
  `accepted on ${at.slice(0, 10)} as it is: ${differences.join('; ')}`;

/** Notes about a cached output: a line each. */
export const cachedNotes = ({
  gone = [],
  accepted,
  forcedAt,
}: {
  readonly gone?: readonly string[];
  readonly accepted?: Acceptance;
  readonly forcedAt?: string;
}): readonly string[] => [
  ...gone.map(goneSentence),
  ...(accepted ? [acceptedSentence(accepted)] : []),
  ...(forcedAt === undefined ? [] : [`forced on ${forcedAt}, and made again since`]),
];

/** Facts about a stage that every plan gives to programs. */
export function plannedStageJson({
  stage,
  fingerprint,
  place,
  reasons,
  gone,
  accepted,
  isElsewhere,
}: PlannedStage) {
  return {
    stage: stage.id,
    kind: stage.kind,
    state: isElsewhere === true ? 'pull' : reasons.length > 0 ? 'runs' : 'cached',
    reasons: reasons.map((reason) => ({ ...reason, text: formatReason(reason) })),
    fingerprint,
    output: place.directory,
    gone,
    ...(accepted && { accepted: { ...accepted } }),
  } satisfies Json;
}

/** Sentences for times that were measured while other programs took a share of the processors' time, where that is much. */
export function othersAtWork(share: number): readonly string[] {
  return isOfBusyMachine(share)
    ? [
        `Other programs took up to ${formatPercent(share)} of the processors' time during measurements. With less beside it a run is faster.`,
      ]
    : [];
}
