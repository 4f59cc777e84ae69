import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import { appendPlain, asUserError, readWholeText, writePlain } from '../../base/files.js';
import { replaceFile } from '../store/manifest.js';

/** The pipeline files that ever ran with a folder of runs: what they refer to is kept when their runs are removed. */
export interface KnownFiles {
  /** Absolute paths. */
  readonly files: readonly string[];
  /** True when there are no others: the list began with the store. */
  readonly isComplete: boolean;
}

interface Head {
  readonly format: 1;
  readonly isComplete: boolean;
}

const pathIn = (runsRoot: string): string => join(runsRoot, 'store', '.pipelines.jsonl');

/** Notes that a pipeline file runs. Safe while other runs do the same. */
export async function noteFile(runsRoot: string, file: string): Promise<void> {
  const path = pathIn(runsRoot);
  if (!(await readWholeText(path).catch(() => undefined))) {
    await mkdir(dirname(path), { recursive: true });
    const kinds = (await readdir(dirname(path))).filter((name) => !name.startsWith('.'));
    const head: Head = { format: 1, isComplete: kinds.length === 0 };
    await writePlain(path, `${JSON.stringify(head)}\n`, 'wx').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  }
  const line = `${JSON.stringify(relative(runsRoot, file))}\n`;
  if (!(await readWholeText(path)).includes(`\n${line}`)) await appendPlain(path, line);
}

/**
 * Paths are relative to the folder of runs, so that a project can move with it.
 *
 * @throws UserError `references-unknown` where the list is not one.
 */
export async function readKnownFiles(runsRoot: string): Promise<KnownFiles> {
  const path = pathIn(runsRoot);
  let text: string;
  try {
    text = await readWholeText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { files: [], isComplete: false };
    throw asUserError(error, path);
  }
  try {
    // The last line may still be being written.
    const [head, ...files] = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);
    const { format, isComplete } = head as Partial<Record<keyof Head, unknown>>;
    if (format !== 1 || !files.every((file) => typeof file === 'string')) throw new Error('another form');
    return { files: files.map((file) => resolve(runsRoot, file)), isComplete: isComplete === true };
  } catch {
    throw new UserError({
      code: 'references-unknown',
      message: `${path}: expected the list of the pipeline files that ran here, found something else.`,
      remedy: 'Remove it: the next run starts a new one, and until then every pipeline file must be valid.',
    });
  }
}

/** Takes files off the list. @throws UserError `file-not-known` for one that is not on it */
export async function forgetFiles(runsRoot: string, forgotten: readonly string[]): Promise<void> {
  const { files, isComplete } = await readKnownFiles(runsRoot);
  const stranger = forgotten.find((file) => !files.includes(file));
  if (stranger !== undefined)
    throw new UserError({
      code: 'file-not-known',
      usage: true,
      message: `${stranger} is not among the ${files.length} pipeline files that ran here.`,
      remedy: 'Give its path as `pipeline gc` shows it.',
    });
  const head: Head = { format: 1, isComplete };
  const rest = files.filter((file) => !forgotten.includes(file)).map((file) => relative(runsRoot, file));
  await replaceFile(pathIn(runsRoot), [head, ...rest].map((line) => `${JSON.stringify(line)}\n`).join(''));
}
