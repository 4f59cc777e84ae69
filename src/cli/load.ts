import type { LoadedPipeline, LoadedSweep, Pipeline } from '../config/index.js';
import { loadPipeline } from '../config/load.js';
import { loadSweep } from '../config/sweep/load.js';
import { usesColor, type Services } from './services.js';

type Loaded = Extract<LoadedPipeline, { ok: true }>;

/** Reads a pipeline file; where it is invalid, shows everything that is wrong with it and gives undefined. */
export async function loadOrReport(
  file: string,
  set: readonly string[],
  services: Services,
): Promise<Pipeline | undefined> {
  return (await loadWithSources(file, set, services))?.pipeline;
}

/** As `loadOrReport`, with where each value was written. */
export async function loadWithSources(
  file: string,
  set: readonly string[],
  services: Services,
): Promise<Loaded | undefined> {
  return sound(await loadPipeline(file, { set, env: services.env }), services);
}

/** As `loadOrReport`, with every trial of the file's sweep, if it has one. */
export async function loadWithTrials(
  file: string,
  set: readonly string[],
  services: Services,
): Promise<Extract<LoadedSweep, { ok: true }> | undefined> {
  return sound(await loadSweep(file, { set, env: services.env }), services);
}

/** What was loaded, where it is valid; otherwise shows what is wrong, with what only that takes. */
async function sound<Sound extends { readonly ok: true }>(
  loaded: Sound | Extract<LoadedPipeline, { ok: false }>,
  { stderr, env }: Services,
): Promise<Sound | undefined> {
  if (loaded.ok) return loaded;
  const { formatDiagnostics } = await import('../config/diagnostics/format.js');
  stderr.write(`${formatDiagnostics(loaded.diagnostics, { color: usesColor(stderr, env) })}\n`);
  return undefined;
}
