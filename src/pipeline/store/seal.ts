import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EMPTY, from, lastValueFrom, mergeMap } from 'rxjs';
import { writeFileWhole } from '../../files/output-file.js';
import { hashFile } from '../fingerprint/file-hash.js';
import type { Origin } from '../fingerprint/origin.js';
import type { Json } from '../stage.js';
import { putInPlace } from './begin.js';
import { manifestName, type OutputPlace } from './layout.js';
import type { Manifest, ManifestFile } from './manifest.js';
import { syncFolder } from '../../files/sync-folder.js';

export interface SealFacts {
  readonly origin: Origin;
  readonly summary: Readonly<Record<string, Json>>;
  readonly seconds: number;
}

/**
 * Turns the folder that a stage has written to into a finished output: every file and folder synced and hashed, then the
 * manifest, then the rename. To be called with the output's lock held.
 */
export async function sealOutput(place: OutputPlace, facts: SealFacts): Promise<Manifest> {
  const entries = await readdir(place.partial, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.partial.length + 1))
    .sort();
  if (names.includes(manifestName))
    throw new Error(`A stage of kind ${place.kind} wrote ${manifestName}, which is not its to write.`);
  const files: ManifestFile[] = [];
  await lastValueFrom(
    from(names.keys()).pipe(
      mergeMap(async (index) => {
        const path = names[index]!;
        const { sha256, state } = await hashFile(join(place.partial, path), { sync: true });
        files[index] = { path, bytes: state.bytes, sha256 };
      }, atOnce),
      mergeMap(() => EMPTY),
    ),
    { defaultValue: undefined },
  );
  for (const entry of entries) if (entry.isDirectory()) await syncFolder(join(entry.parentPath, entry.name));
  const manifest: Manifest = {
    format: 1,
    kind: place.kind,
    fingerprint: place.fingerprint,
    origin: facts.origin,
    summary: facts.summary,
    seconds: facts.seconds,
    createdAt: new Date().toISOString(),
    files,
  };
  await writeFileWhole(join(place.partial, manifestName), `${JSON.stringify(manifest, undefined, 1)}\n`);
  await putInPlace(place);
  return manifest;
}

const atOnce = 8;
