import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { asUserError } from '../../files/file-errors.js';
import { sha256OfFile } from '../../files/sha256-file.js';
import { formatBytes } from './format-bytes.js';
import type { Wheel } from './release.js';
import { packageIndexes } from './sources/https.js';
import { pip } from './sources/pip.js';
import { wheelFolder } from './sources/wheel-folder.js';
import {
  partialName,
  type FetchContext,
  type FetchedWheel,
  type WheelSource,
} from './sources/wheel-source.js';
import { setupCommand } from './setup-command.js';

/**
 * Brings a wheel onto this disk, from the first source that has it with the recorded content.
 *
 * @throws UserError `tensorflow-download-failed`, with what was tried and what to do.
 */
export async function obtainWheel(
  wheel: Wheel,
  context: FetchContext,
  sources = defaultSources(wheel, context),
): Promise<FetchedWheel> {
  const finished = { path: join(context.downloads, wheel.filename), ours: true };
  if (existsSync(finished.path)) {
    if (await isWheel(finished.path, wheel, context.signal)) return finished;
    await rm(finished.path);
  }
  const tried: string[] = [];
  for (const source of sources) {
    try {
      const fetched = await source.fetch(wheel, context);
      if (await isWheel(fetched.path, wheel, context.signal)) return fetched;
      if (fetched.ours) await rm(fetched.path);
      tried.push(`${source.name}: its ${wheel.filename} has another SHA-256 than the one recorded here`);
    } catch (error) {
      context.signal?.throwIfAborted();
      const mended = asUserError(error, context.downloads);
      if (mended instanceof UserError) throw mended;
      tried.push(`${source.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw downloadFailed(wheel, context, tried);
}

/** pip knows how this machine reaches an index; but it cannot continue what is half there. */
function defaultSources(wheel: Wheel, { downloads, env }: FetchContext): WheelSource[] {
  const own = packageIndexes(env);
  const begun = existsSync(join(downloads, partialName(wheel)));
  const folder = env.PIPELINE_WHEELS ? [wheelFolder(env.PIPELINE_WHEELS)] : [];
  return [...folder, ...(begun ? [...own, pip] : [pip, ...own])];
}

async function isWheel(path: string, wheel: Wheel, signal: AbortSignal | undefined): Promise<boolean> {
  return (await sha256OfFile(path, signal)) === wheel.sha256;
}

function downloadFailed(wheel: Wheel, { downloads }: FetchContext, tried: readonly string[]): UserError {
  return new UserError({
    code: 'tensorflow-download-failed',
    message: [
      `${wheel.filename} (${formatBytes(wheel.bytes)}) could not be fetched into ${downloads}. Tried:`,
      ...tried.map((each) => `  - ${each}`),
    ].join('\n'),
    remedy: [
      'Do one of these:',
      `  - connect to a network and run \`${setupCommand}\` again: it continues where it stopped;`,
      `  - name an index that this machine reaches: PIP_INDEX_URL=ADDRESS ${setupCommand}`,
      `  - download the file elsewhere (https://pypi.org/project/${wheel.package}/${wheel.version}/#files), copy it into a folder`,
      `    here, and run: PIPELINE_WHEELS=FOLDER ${setupCommand}`,
    ].join('\n'),
  });
}
