import type { Diagnostic } from '../runner/diagnostics.js';
import { type LoadedPipeline, loadPipeline } from '../runner/load.js';
import { type LoadedSweep, loadSweep } from '../runner/sweep/load.js';
import { exitCodes, say, type Services, usesColor } from './services.js';

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
  const { formatDiagnostics } = await import('../runner/format-diagnostics.js');
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
