import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { defer, finalize, type Observable } from 'rxjs';
import { addFile } from '../../base/file-hash.js';
import { type Expectation, expectContents, type Expected, inputChanged } from '../../base/input-file.js';
import { baseOfLocation } from '../../base/patterns.js';
import { readContent } from '../fingerprint/content.js';
import { readHashes, readStates } from '../fingerprint/hash-cache.js';
import type { FingerprintedContent, StageContext, StageEvent, StageExecutor, StageReads } from '../stage.js';
import { type Listing, openListing } from '../store/listings.js';
import { hashesFolder, listingsFolder, manifestName, readManifest } from '../store/manifest.js';

/** Runs the stage in this process. What it reads must be what was fingerprinted. */
export const executeHere: StageExecutor = ({ kind, config, context }) => runHere(kind, config, context);

/** Runs a stage's parts as `executeHere` does. */
export function runHere<Config>(
  kind: { run(config: Config, context: StageContext): Observable<StageEvent> },
  config: Config,
  context: StageContext,
): Observable<StageEvent> {
  const { reads } = context;
  if (reads === undefined) return kind.run(config, context);
  return defer(() => {
    const end = expectContents(expectationOf(reads));
    return kind.run(config, context).pipe(finalize(end));
  });
}

/** Files under a folder, or a file, by name; loaded when the first of them is read. */
interface Root {
  readonly path: string;
  /** True where the folder also has files that are not of this input. */
  readonly isPart?: boolean;
  readonly files: () => Promise<ReadonlyMap<string, Expected> | undefined>;
}

/** Hashes that the files which a stage reads must have: those of other stages' outputs, and those from outside. */
function expectationOf(reads: StageReads): Expectation {
  const roots: readonly Root[] = [
    ...reads.outputs.map(({ directory, fingerprint }) => ({
      path: directory,
      files: once(() => filesOfOutput(reads, directory, fingerprint)),
    })),
    ...reads.contents.map((content) => ({
      ...rootOf(content.location),
      files: once(() => filesOfContent(reads, content)),
    })),
    // What a stage writes is its own, also where an input lies around it.
    { path: reads.runsRoot, files: () => Promise.resolve(undefined) },
  ].sort((a, b) => b.path.length - a.path.length);
  return async (path) => {
    for (const root of roots.filter((root) => path === root.path || path.startsWith(root.path + sep))) {
      const files = await root.files();
      if (files === undefined) return undefined;
      const name = relative(root.path, path).replaceAll(sep, '/');
      const expected = files.get(name);
      if (expected !== undefined || root.isPart !== true)
        return name === manifestName ? expected : (expected ?? unknown);
    }
    return undefined;
  };
}

/** Names begin at the path of a folder or file, and at the folder above all that a pattern stands for. */
function rootOf(location: string): Pick<Root, 'path' | 'isPart'> {
  return existsSync(location) ? { path: location } : { path: baseOfLocation(location), isPart: true };
}

/** Stands for a file that was not there when its folder was fingerprinted. */
const unknown: Expected = { sha256: 'none' };

async function filesOfOutput(
  { runsRoot }: StageReads,
  directory: string,
  fingerprint: string,
): Promise<ReadonlyMap<string, Expected>> {
  const manifest = await readManifest(directory, fingerprint);
  if (manifest === undefined) throw inputChanged(directory);
  const states = await readStates(hashesFolder(runsRoot), directory);
  return new Map(manifest.files.map(({ path, sha256 }) => [path, withState(sha256, states.get(path))]));
}

async function filesOfContent(
  reads: StageReads,
  content: FingerprintedContent,
): Promise<ReadonlyMap<string, Expected>> {
  const states = await readStates(hashesFolder(reads.runsRoot), content.location);
  const files = new Map<string, Expected>();
  for await (const [name, sha256] of await fingerprintedFiles(reads, content))
    files.set(name, withState(sha256, states.get(name)));
  return files;
}

/** A state counts where it is of the same content. */
function withState(sha256: string, seen: Expected | undefined): Expected {
  return seen?.sha256 === sha256 ? seen : { sha256 };
}

/**
 * Name and SHA-256 of every file that an input consisted of when it was fingerprinted, in the order of names. Where that
 * was not kept, or is damaged, the files are read again.
 *
 * @throws UserError `input-changed` where they are others now.
 */
export async function fingerprintedFiles(
  { runsRoot }: StageReads,
  { location, digest, hashes }: FingerprintedContent,
): Promise<Listing> {
  const sources: readonly (() => Promise<Listing | undefined>)[] = [
    () => openListing(listingsFolder(runsRoot), digest),
    () => Promise.resolve(hashes === undefined ? undefined : readHashes(hashes)),
  ];
  for (const open of sources) if ((await digestOf(await open())) === digest) return (await open())!;
  const files: (readonly [name: string, sha256: string])[] = [];
  const now = await readContent(location, {
    hashes: hashesFolder(runsRoot),
    leaveOut: runsRoot,
    onFile: (name, sha256) => files.push([name, sha256]),
  });
  if (now.digest !== digest) throw inputChanged(location);
  return Readable.from(files) as Listing;
}

/** Digest of a listing; undefined for one that is not there or cannot be read. */
async function digestOf(listing: Listing | undefined): Promise<string | undefined> {
  if (listing === undefined) return undefined;
  const hash = createHash('sha256');
  try {
    for await (const [name, sha256] of listing) addFile(hash, name, sha256);
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => (loaded ??= load());
}
