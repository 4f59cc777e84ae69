import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.js';
import { isLockFile, loadPipeline } from '../../config/index.js';
import { readLock } from '../lock/lock-file.js';
import { makePlan } from '../plan/plan.js';
import type { StageRegistry } from '../registry.js';
import type { Run } from '../runs/run.js';

/** What outputs are kept for. */
export interface References {
  /** Fingerprints. */
  readonly kept: ReadonlySet<string>;
  /** Pipeline files that could not be asked, and why. */
  readonly notices: readonly string[];
}

/** Fingerprints that runs refer to. */
export function fingerprintsOfRuns(runs: readonly Run[]): ReadonlySet<string> {
  const all = runs.flatMap(({ record }) => Object.values(record.stages));
  return new Set(all.flatMap(({ fingerprint }) => (fingerprint === undefined ? [] : [fingerprint])));
}

/**
 * Everything that runs, pipeline files and locks refer to. The files are those named, those that runs were made of, and
 * all others in their folders.
 */
export async function findReferences(
  runs: readonly Run[],
  files: readonly string[],
  runsRoot: string,
  registry: StageRegistry,
): Promise<References> {
  const kept = new Set(fingerprintsOfRuns(runs));
  const notices: string[] = [];
  for (const file of await pipelineFiles([...files, ...runs.map(({ record }) => record.file)])) {
    for (const fingerprint of await lockedFingerprints(file, notices)) kept.add(fingerprint);
    const loaded = await loadPipeline(file);
    if (!loaded.ok) continue;
    try {
      const plan = await makePlan({ pipeline: loaded.pipeline, registry, runsRoot });
      for (const { fingerprint, recipe, place } of plan.stages)
        kept.add(fingerprint).add(recipe).add(place.fingerprint);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      notices.push(`What ${file} needs beyond its runs is not known: ${error.message}`);
    }
  }
  return { kept, notices };
}

async function pipelineFiles(named: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const folder of new Set(named.map((file) => dirname(file))))
    for (const name of await readdir(folder).catch(() => []))
      if (/\.ya?ml$/.test(name) && !(await isLockFile(join(folder, name)))) found.add(join(folder, name));
  return [...found].sort();
}

async function lockedFingerprints(file: string, notices: string[]): Promise<readonly string[]> {
  try {
    return Object.values((await readLock(file)).stages).flatMap(({ fingerprint, accepted }) =>
      accepted === undefined ? [fingerprint] : [fingerprint, accepted.output],
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.code !== 'lock-missing') notices.push(error.message);
    return [];
  }
}
