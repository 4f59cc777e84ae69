import { randomUUID } from 'node:crypto';
import { mkdir, readlink, rename, symlink } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { stringify } from 'yaml';
import { UserError } from '../../base/errors.js';
import { asUserError, pathOf, systemReason, writePlain } from '../../base/files.js';
import { sha256Of } from '../../base/input-file.js';
import type { Origin, Pipeline } from '../pipeline.js';
import { resolvedConfig } from '../resolved.js';

/** The folder of one run: `NAME/TIME` under the folder of runs. */
export interface RunFolder {
  /** Absolute path. */
  readonly directory: string;
  readonly startedAt: string;
  /** SHA-256 of each file that describes its configuration, by name. */
  readonly configuration: Readonly<Record<string, string>>;
}

/** Names, in a run's folder, of its configuration with defaults and of the place of each value in it that was written. */
export const resolvedName = 'resolved.yaml';
export const originsName = 'origins.json';

/**
 * Makes the folder of a new run, with the resolved configuration and where its values were written in it, and points `NAME/latest` at it.
 *
 * @throws UserError where the folder of runs cannot be written to.
 */
export async function createRunFolder(
  runsRoot: string,
  pipeline: Pipeline,
  sources: ReadonlyMap<string, Origin> = new Map(),
  now = new Date(),
): Promise<RunFolder> {
  const startedAt = now.toISOString();
  const parent = join(runsRoot, pipeline.name);
  try {
    await mkdir(parent, { recursive: true });
    const directory = await makeNewFolder(join(parent, startedAt.replaceAll(':', '-')));
    const texts = { [resolvedName]: resolvedYaml(pipeline), [originsName]: originsJson(pipeline, sources) };
    const configuration: Record<string, string> = {};
    for (const [name, text] of Object.entries(texts)) {
      await writePlain(join(directory, name), text);
      configuration[name] = sha256Of(Buffer.from(text));
    }
    await pointTo(join(parent, 'latest'), directory);
    return { directory, startedAt, configuration };
  } catch (error) {
    throw notWritable(error, runsRoot);
  }
}

/**
 * Puts a link in its place in one step, whatever was there and whoever else does. Links are relative, so that the folder
 * of runs can move.
 */
export async function pointTo(link: string, target: string): Promise<void> {
  const to = relative(dirname(link), target);
  if ((await readlink(link).catch(() => undefined)) === to) return;
  const aside = join(dirname(link), `.${basename(link)}.${randomUUID()}.tmp`);
  await symlink(to, aside);
  await rename(aside, link);
}

async function makeNewFolder(path: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const candidate = attempt === 1 ? path : `${path}-${attempt}`;
    try {
      await mkdir(candidate);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function resolvedYaml(pipeline: Pipeline): string {
  const resolved = Object.entries(resolvedConfig(pipeline)).filter(([key]) => key !== 'sweep');
  return stringify(Object.fromEntries(resolved));
}

/** Places by dotted path, files relative to the pipeline's folder so that a shared run does not tell of a machine. */
function originsJson({ directory }: Pipeline, sources: ReadonlyMap<string, Origin>): string {
  const places = Array.from(sources, ([key, { file, line, column }]) => [
    key,
    { file: isAbsolute(file) ? relative(directory, file) : file, line, column },
  ]);
  return `${JSON.stringify(Object.fromEntries(places), undefined, 1)}\n`;
}

function notWritable(error: unknown, runsRoot: string): unknown {
  const { code, path } = systemReason(error) as NodeJS.ErrnoException;
  if (code === 'ENOTDIR')
    return new UserError({
      code: 'runs-folder-not-a-folder',
      message: `${path ?? runsRoot}: expected a folder for runs, found a file.`,
      remedy: 'Move that file away, or choose another folder with --runs DIR.',
      cause: error,
    });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new UserError({
      code: 'runs-folder-read-only',
      message: `${runsRoot}: the folder of runs cannot be written to.`,
      remedy: 'Make it writable for this user, or choose another folder with --runs DIR.',
      cause: error,
    });
  return asUserError(error, pathOf(error) ?? runsRoot);
}
