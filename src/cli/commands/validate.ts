import { resolve } from 'node:path';
import { counted } from '../../base/format.js';
import { isLockFile } from '../../runner/yaml/text.js';
import { loadWithTrials, showDiagnostics } from '../load.js';
import { exitCodes, say, type Services, shortPath } from '../services.js';

/** `pipeline validate`: shows every problem of every file, and of every trial of its sweep. Gives the exit code. */
export async function validate(
  files: readonly string[],
  options: { readonly set: readonly string[] },
  services: Services,
): Promise<number> {
  let valid = true;
  for (const file of files) {
    if (await isLockFile(file)) {
      say(services.stdout, `${shortPath(resolve(file))}: the lock of a pipeline, not checked\n`);
      continue;
    }
    const loaded = await loadWithTrials(file, options, services);
    if (loaded === undefined) {
      valid = false;
      continue;
    }
    const { pipeline, trials, missing } = loaded;
    await showDiagnostics(missing(), services);
    const facts = [
      counted(pipeline.stages.size, 'stage'),
      ...(trials ? [counted(trials.length, 'trial')] : []),
    ];
    say(services.stdout, `${shortPath(pipeline.file)}: valid, ${facts.join(', ')}\n`);
  }
  return valid ? exitCodes.done : exitCodes.invalid;
}
