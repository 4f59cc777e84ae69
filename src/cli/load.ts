import { formatDiagnostics, loadPipeline, type LoadedPipeline, type Pipeline } from '../config/index.js';
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
  { stderr, env }: Services,
): Promise<Loaded | undefined> {
  const loaded = await loadPipeline(file, { set, env });
  if (loaded.ok) return loaded;
  stderr.write(`${formatDiagnostics(loaded.diagnostics, { color: usesColor(stderr, env) })}\n`);
  return undefined;
}
