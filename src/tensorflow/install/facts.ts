import { UserError } from '../../base/errors.js';
import { chooseDevice, findNvidiaDriver, type NvidiaDriver } from './device-choice.js';
import { type LibraryLocation, libraryMissing, type LibraryOptions, locateLibrary } from './locate.js';
import { pinnedRelease } from './pinned-release.js';
import { cacheFolder, checkMachine, requirePlatform, thisMachine } from './platform.js';
import { type Build, readManifest } from './release.js';

/** Facts about the native library, found without loading it. */
export interface LibraryFacts {
  /** The version that this release of ours is made for. */
  readonly pinnedVersion: string;
  readonly cacheFolder: string;
  readonly driver: NvidiaDriver | undefined;
  /** The build that suits this machine, and why; undefined where none does. */
  readonly suited: { readonly build: Build; readonly reason: string } | undefined;
  readonly found: (LibraryLocation & { readonly bytes: number | undefined }) | undefined;
  /** Problems, each with its remedy. */
  readonly problems: readonly { readonly message: string; readonly remedy: string | undefined }[];
}

/** Gathers the facts; problems are part of the answer, never thrown. */
export function libraryFacts(options: LibraryOptions = {}): LibraryFacts {
  const env = options.env ?? process.env;
  const release = options.release ?? pinnedRelease;
  const problems: { message: string; remedy: string | undefined }[] = [];
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push({ message: error.message, remedy: error.remedy });
      return undefined;
    }
  };
  const platform = attempt(() => options.platform ?? requirePlatform());
  const suited =
    platform === undefined
      ? undefined
      : attempt(() => {
          checkMachine(thisMachine(platform));
          return chooseDevice(release, platform, options.device, env);
        });
  const found = suited === undefined ? undefined : attempt(() => locateLibrary(options));
  if (suited !== undefined && found === undefined && problems.length === 0) {
    const { message, remedy } = libraryMissing(options);
    problems.push({ message, remedy });
  }
  return {
    pinnedVersion: release.version,
    cacheFolder: cacheFolder(env),
    driver: findNvidiaDriver(env),
    suited: suited && { build: suited.build, reason: suited.reason },
    found: found && { ...found, bytes: unpackedBytes(found) },
    problems,
  };
}

function unpackedBytes({ directory }: LibraryLocation): number | undefined {
  return readManifest(directory)?.files.reduce((sum, { bytes }) => sum + bytes, 0);
}
