import { formatDiagnostics, loadPipeline, type Pipeline } from '../config/index.js';
import { usesColor, type Services } from './services.js';

/** Reads a pipeline file; where it is invalid, shows everything that is wrong with it and gives undefined. */
export async function loadOrReport(
  file: string,
  set: readonly string[],
  { stderr, env }: Services,
): Promise<Pipeline | undefined> {
  const loaded = await loadPipeline(file, { set });
  if (loaded.ok) return loaded.pipeline;
  stderr.write(`${formatDiagnostics(loaded.diagnostics, { color: usesColor(stderr, env) })}\n`);
  return undefined;
}
