import type { Diagnostic, LoadedPipeline, LoadedSweep } from '../config/index.js';
import { loadPipeline } from '../config/load.js';
import { loadSweep } from '../config/sweep/load.js';
import { exitCodes, usesColor, type Services } from './services.js';
import { say } from './wrap.js';

export type Loaded = Extract<LoadedPipeline, { ok: true }>;

/** Reads a pipeline file, with where each value was written; where it is invalid, shows what is wrong and gives undefined. */
export async function loadWithSources(
  file: string,
  set: readonly string[],
  services: Services,
): Promise<Loaded | undefined> {
  return sound(await loadPipeline(file, { set, env: services.env }), services);
}

/** As `loadWithSources`, with every trial of the file's sweep, if it has one. */
export async function loadWithTrials(
  file: string,
  set: readonly string[],
  services: Services,
): Promise<Extract<LoadedSweep, { ok: true }> | undefined> {
  return sound(await loadSweep(file, { set, env: services.env }), services);
}

/** What was loaded, where it is valid; otherwise shows what is wrong. */
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
  const { formatDiagnostics } = await import('../config/diagnostics/format.js');
  const width = stderr.isTTY ? stderr.columns : Infinity;
  say(stderr, `${formatDiagnostics(diagnostics, { color: usesColor(stderr, env), width })}\n`);
}

/** Shows an input that is missing at its line of the file, and gives the exit code. Any other error is thrown on. */
export async function reportMissing(
  error: unknown,
  { missing }: Loaded,
  services: Services,
): Promise<number> {
  const { InputMissing } = await import('../pipeline/plan/read-inputs.js');
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
