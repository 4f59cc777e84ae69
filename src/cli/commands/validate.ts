import { loadOrReport } from '../load.js';
import { shortPath } from '../paths.js';
import { exitCodes, type Services } from '../services.js';

/** `pipeline validate`: shows every problem of every file. Gives the exit code. */
export async function validate(
  files: readonly string[],
  options: { readonly set: readonly string[] },
  services: Services,
): Promise<number> {
  let valid = true;
  for (const file of files) {
    const pipeline = await loadOrReport(file, options.set, services);
    if (pipeline === undefined) {
      valid = false;
      continue;
    }
    const count = pipeline.stages.size;
    services.stdout.write(
      `${shortPath(pipeline.file)}: valid, ${count} ${count === 1 ? 'stage' : 'stages'}\n`,
    );
  }
  return valid ? exitCodes.done : exitCodes.invalid;
}
