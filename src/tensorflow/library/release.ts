/** `cuda` runs on NVIDIA GPUs, and on the CPU where there is none. */
export type Build = 'cpu' | 'cuda';

/** Operating system and processor, as Node names them. */
export type Platform = 'linux-x64' | 'linux-arm64' | 'darwin-arm64';

/** A file of the Python package index, recognised by its hash wherever it is fetched from. */
export interface Wheel {
  readonly package: string;
  readonly version: string;
  readonly filename: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What makes up the library for one platform: wheels, all unpacked into one folder. */
export interface ReleaseBuild {
  readonly build: Build;
  readonly platform: Platform;
  /** Path of the C++ library, which exports the C API, in the unpacked folder. */
  readonly cc: string;
  /** Path of the framework library that `cc` needs, in the unpacked folder. */
  readonly framework: string;
  /** Size of all that is unpacked. */
  readonly unpackedBytes: number;
  readonly wheels: readonly Wheel[];
}

export interface Release {
  readonly version: string;
  readonly builds: readonly ReleaseBuild[];
}

export function findBuild(release: Release, build: Build, platform: Platform): ReleaseBuild | undefined {
  return release.builds.find((each) => each.build === build && each.platform === platform);
}

/** Name of the folder, in the cache, that holds a build. */
export function folderName(release: Release, { build, platform }: ReleaseBuild): string {
  return `tensorflow-${release.version}-${build}-${platform}`;
}
