import { formatBytes, formatDuration } from '../base/format.js';
import { summaryFacts } from '../pages/figures.js';
import type { Diagnostic } from '../runner/diagnostics.js';
import { type LoadedPipeline, loadPipeline } from '../runner/load.js';
import type { PlannedStage } from '../runner/plan/plan.js';
import { formatReason } from '../runner/plan/reasons.js';
import { headlineOf } from '../runner/runs/figures.js';
import type { Acceptance, Json } from '../runner/stage.js';
import { bytesOf } from '../runner/store/manifest.js';
import { type LoadedSweep, loadSweep } from '../runner/sweep/load.js';
import { exitCodes, say, type Services, shortPath, usesColor } from './services.js';

export type Loaded = Extract<LoadedPipeline, { ok: true }>;

/** Reads a pipeline file, with where each value was written; where it is invalid, shows what is wrong and gives undefined. */
export async function loadWithSources(
  file: string,
  set: readonly string[],
  services: Services,
): Promise<Loaded | undefined> {
  const { rules } = await services.loadRegistry();
  return sound(await loadPipeline(file, { rules, set, env: services.env }), services);
}

/** Loads a file as `loadWithSources` does, with every trial of its sweep, if it has one. */
export async function loadWithTrials(
  file: string,
  { set, grid = [] }: { readonly set: readonly string[]; readonly grid?: readonly string[] },
  services: Services,
): Promise<Extract<LoadedSweep, { ok: true }> | undefined> {
  const { rules } = await services.loadRegistry();
  return sound(await loadSweep(file, { rules, set, grid, env: services.env }), services);
}

/** Returns what was loaded, where it is valid; otherwise shows what is wrong. */
async function sound<Sound extends { readonly ok: true }>(
  loaded: Sound | Extract<LoadedPipeline, { ok: false }>,
  services: Services,
): Promise<Sound | undefined> {
  if (loaded.ok) return loaded;
  await showDiagnostics(loaded.diagnostics, services);
  return undefined;
}

/** Shows what is wrong with a file, with what only that takes. */
export async function showDiagnostics(
  diagnostics: readonly Diagnostic[],
  { stderr, env }: Services,
): Promise<void> {
  if (diagnostics.length === 0) return;
  const { formatDiagnostics } = await import('../runner/diagnostics.js');
  const width = stderr.isTTY ? stderr.columns : Infinity;
  say(stderr, `${formatDiagnostics(diagnostics, { color: usesColor(stderr, env), width })}\n`);
}

/** Shows an input that is missing at its line of the file, and gives the exit code. Any other error is thrown on. */
export async function reportMissing(
  error: unknown,
  { missing }: Pick<Loaded, 'missing'>,
  services: Services,
): Promise<number> {
  const { InputMissing } = await import('../runner/plan/read-inputs.js');
  if (!(error instanceof InputMissing)) throw error;
  const { message, location } = error;
  const places = missing().filter(({ path }) => path === location);
  if (places.length === 0) throw error;
  await showDiagnostics(
    places.map((place) => ({ ...place, message, severity: 'error' })),
    services,
  );
  return exitCodes.invalid;
}

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
