import type { PipelineStage } from '../../config/pipeline.js';
import { fingerprintOf, type Origin } from '../fingerprint/origin.js';
import type { Content } from '../fingerprint/content.js';
import { readHashes } from '../fingerprint/hash-cache.js';
import type { FoundOutput } from '../store/find-output.js';
import type { History } from '../store/history.js';
import { listingsFolder, outputPlace } from '../store/layout.js';
import { openListing } from '../store/listings.js';
import { readManifest, type Manifest } from '../store/manifest.js';
import { compareOrigins, type FindListing } from './compare-origins.js';
import type { Reason } from './reasons.js';

/** How many of a stage's latest outputs are compared with. */
const compared = 10;

/**
 * Why a stage without a whole output has to run: the differences from the nearest of the outputs that it had before
 * (fewest differences, the latest of equals).
 *
 * @param origins its own, and any other under which its output may have been known
 */
export async function explain(
  runsRoot: string,
  { id, own }: Pick<PipelineStage, 'id' | 'own'>,
  [origin, ...others]: readonly [Origin, ...Origin[]],
  contents: readonly Content[],
  found: Exclude<FoundOutput, { state: 'whole' }>,
  history: History,
): Promise<readonly Reason[]> {
  if (found.state === 'damaged') return [{ type: 'output-damaged', problem: found.problem }];
  const fingerprints = history.fingerprints(id, origin.kind);
  if ([origin, ...others].some((one) => fingerprints.includes(fingerprintOf(one))))
    return [{ type: 'output-missing' }];
  const findListing = listingsOf(runsRoot, contents);
  let nearest: readonly Reason[] | undefined;
  for (const fingerprint of fingerprints.slice(0, compared)) {
    const manifest = await manifestOf(runsRoot, origin.kind, fingerprint);
    if (manifest === undefined) continue;
    const reasons = await compareOrigins(id, manifest.origin, origin, findListing, own);
    if (reasons.length > 0 && (nearest === undefined || reasons.length < nearest.length)) nearest = reasons;
  }
  return nearest ?? [{ type: 'never-run' }];
}

async function manifestOf(
  runsRoot: string,
  kind: string,
  fingerprint: string,
): Promise<Manifest | undefined> {
  const { directory } = outputPlace(runsRoot, kind, fingerprint);
  return readManifest(directory, fingerprint).catch(() => undefined);
}

/** Finds lists of files: of inputs as they are now, and of those that outputs were made from. */
export function listingsOf(runsRoot: string, contents: readonly Content[]): FindListing {
  const now = new Map(contents.map(({ digest, hashes }) => [digest, hashes]));
  return async (digest) => {
    const hashes = now.get(digest);
    return hashes === undefined ? openListing(listingsFolder(runsRoot), digest) : readHashes(hashes);
  };
}
