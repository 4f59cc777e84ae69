import { annotatedYaml, originsOf, resolvedConfig } from '../../config/index.js';
import { loadWithSources } from '../load.js';
import type { PlanCommandOptions } from '../options.js';
import { shortPath } from '../paths.js';
import { exitCodes, type Services } from '../services.js';

/** `pipeline plan --resolved`: shows the whole configuration and where each value comes from. Gives the exit code. */
export async function planResolved(
  file: string,
  options: Pick<PlanCommandOptions, 'set' | 'json'>,
  services: Services,
): Promise<number> {
  const loaded = await loadWithSources(file, options.set, services);
  if (!loaded) return exitCodes.invalid;
  const { pipeline, sources, files } = loaded;
  const config = resolvedConfig(pipeline);
  const origins = originsOf(config, sources);
  services.stdout.write(
    options.json === true
      ? `${JSON.stringify({ file: pipeline.file, files, config, origins: Object.fromEntries(origins) })}\n`
      : `# ${files.map(shortPath).join(', extends ')}\n${annotatedYaml(config, origins)}`,
  );
  return exitCodes.done;
}
