import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { chooseDevice } from './device-choice.js';
import { verifyLibrary } from './install.js';
import { type LibraryLocation, type LibraryOptions, locateBuild, locateLibrary } from './locate.js';
import { pinnedRelease } from './pinned-release.js';
import { cacheFolder, checkMachine, requirePlatform, thisMachine } from './platform.js';
import { findBuild, manifestFile } from './release.js';
import type { SetupReport } from './wheel-source.js';

export interface SetupOptions extends LibraryOptions {
  /** Read the whole library, and fetch it again if it is damaged. */
  readonly verify?: boolean;
  readonly report?: SetupReport;
  readonly signal?: AbortSignal;
}

/**
 * Makes the native library ready: fetches what is missing, otherwise returns at once. Any number of processes may do this at
 * the same time, and any may be killed at any moment.
 *
 * @throws UserError for everything that its reader can mend: no network, a full disk, an unsupported machine.
 */
export async function setupLibrary(options: SetupOptions = {}): Promise<LibraryLocation> {
  const env = options.env ?? process.env;
  const own = env.PIPELINE_TENSORFLOW ? locateLibrary(options) : undefined;
  if (own !== undefined) return own;

  const release = options.release ?? pinnedRelease;
  const platform = options.platform ?? requirePlatform();
  const choice = chooseDevice(release, platform, options.device, env);
  const report = options.report ?? (() => undefined);
  const locate = () => locateBuild(release, choice.build, platform, env);

  let ready = locate();
  if (ready !== undefined && options.verify === true) ready = await keepIfWhole(ready, report);
  if (ready !== undefined) return ready;
  checkMachine(thisMachine(platform));

  // A set-up that has nothing to do is to start quickly: only now what fetches is loaded.
  const { acquireLock } = await import('../../base/file-lock.js');
  const { installBuild } = await import('./install.js');
  const build = findBuild(release, choice.build, platform)!;
  const cache = cacheFolder(env);
  try {
    const lock = await acquireLock(join(cache, 'setup.lock'), {
      onWait: () => {
        report({ type: 'step', message: 'waiting for another process that is setting TensorFlow up' });
      },
      signal: options.signal,
    });
    try {
      const meanwhile = locate();
      if (meanwhile !== undefined) return meanwhile;
      const kind = choice.build === 'cuda' ? 'CUDA' : 'CPU';
      const message = `TensorFlow ${release.version}, the ${kind} build, because ${choice.reason}`;
      report({ type: 'step', message });
      const downloads = join(cache, 'downloads');
      await installBuild(cache, release, build, { downloads, env, report, signal: options.signal });
    } finally {
      lock.release();
    }
  } catch (error) {
    throw withCacheRemedy(error);
  }
  const installed = locate();
  if (installed === undefined) {
    throw new UserError({
      code: 'tensorflow-not-kept',
      message: `${cache}: the library was written there, but is not there now.`,
      remedy: 'Check whether something else empties this folder, or set PIPELINE_CACHE to another.',
    });
  }
  return installed;
}

async function keepIfWhole(
  location: LibraryLocation,
  report: SetupReport,
): Promise<LibraryLocation | undefined> {
  const damaged = await verifyLibrary(location);
  if (damaged.length === 0) return location;
  report({ type: 'warning', message: `damaged, to be fetched again: ${damaged.join(', ')}` });
  await rm(join(location.directory, manifestFile), { force: true });
  return undefined;
}

/** Adds the remedy for a cache that cannot be written to: another folder. */
function withCacheRemedy(error: unknown): unknown {
  const ofTheFolder = ['read-only', 'permission-denied', 'not-a-folder', 'lock-unavailable', 'disk-full'];
  if (!(error instanceof UserError) || !ofTheFolder.includes(error.code)) return error;
  return new UserError({
    code: error.code,
    message: error.message,
    remedy:
      error.code === 'disk-full'
        ? 'Free some space, or set PIPELINE_CACHE to a folder on a larger disk.'
        : 'Set PIPELINE_CACHE to a folder on a local disk that this user can write to.',
    cause: error,
  });
}
