import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import { acquireLock } from '../../base/file-lock.js';
import { DamagedRecord, noRecord, readRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';
import { replaceFile } from '../store/manifest.js';

/** The pipeline files that ever ran with a folder of runs: what they refer to is kept when their runs are removed. */
export interface KnownFiles {
  /** Absolute paths. */
  readonly files: readonly string[];
  /** True when there are no others: the list began with the store. */
  readonly isComplete: boolean;
}

/** Paths are relative to the folder of runs, so that a project can move with it. */
interface KnownFilesFile extends KnownFiles {
  readonly format: 2;
}

const pathIn = (runsRoot: string): string => join(runsRoot, 'store', '.pipelines.json');
/** Place at which earlier versions kept it, a path a line. */
const earlierPathIn = (runsRoot: string): string => join(runsRoot, 'store', '.pipelines.jsonl');

/** Notes that a pipeline file runs. Safe while other runs do the same. A list that is damaged is told of, and stays as it is. */
export async function noteFile(runsRoot: string, file: string): Promise<void> {
  await change(runsRoot, (known) =>
    known.files.includes(file) ? known : { ...known, files: [...known.files, file] },
  ).catch((error: unknown) => {
    if (!(error instanceof UserError) || error.code !== damagedCode) throw error;
    tellDamaged(pathIn(runsRoot), error.cause, '`npx pipeline gc` removes nothing until it is mended');
  });
}

async function change(runsRoot: string, to: (known: KnownFiles) => KnownFiles): Promise<void> {
  const path = pathIn(runsRoot);
  await mkdir(dirname(path), { recursive: true });
  const lock = await acquireLock(`${path}.lock`);
  try {
    const known = await readKnownFiles(runsRoot);
    const { files, isComplete } = to(known);
    if (files === known.files) return;
    const content: KnownFilesFile = {
      format: 2,
      isComplete,
      files: files.map((file) => relative(runsRoot, file)),
    };
    await replaceFile(path, sealJson(content));
    await rm(earlierPathIn(runsRoot), { force: true });
  } finally {
    lock.release();
  }
}

const damagedCode = 'references-unknown';

/** @throws UserError `references-unknown` where the list is damaged */
export async function readKnownFiles(runsRoot: string): Promise<KnownFiles> {
  let path = pathIn(runsRoot);
  try {
    const text = await readRecord(path);
    if (text === undefined) path = earlierPathIn(runsRoot);
    const { format, isComplete, files } = text === undefined ? await earlier(runsRoot) : unsealJson(text);
    const isList = Array.isArray(files) && files.every((file) => typeof file === 'string');
    if (format !== 2 || typeof isComplete !== 'boolean' || !isList)
      throw new DamagedRecord('is not of the expected form');
    return { files: files.map((file) => resolve(runsRoot, file)), isComplete };
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    throw new UserError({
      code: damagedCode,
      message: `${path}: expected the list of the pipeline files that ran here, found a file that ${error.message}.`,
      remedy: 'Remove it: the next run starts a new one, and until then every pipeline file must be valid.',
      cause: error,
    });
  }
}

/** The list as earlier versions kept it; where there is none, one that begins now. */
async function earlier(runsRoot: string): Promise<Partial<Record<keyof KnownFilesFile, unknown>>> {
  const text = await readRecord(earlierPathIn(runsRoot));
  if (text === undefined) {
    const store = dirname(pathIn(runsRoot));
    const kinds = (await readdir(store).catch(noRecord)) ?? [];
    return { format: 2, isComplete: kinds.every((name) => name.startsWith('.')), files: [] };
  }
  try {
    const [head, ...files] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    const { format, isComplete } = head as Partial<Record<keyof KnownFilesFile, unknown>>;
    return { format: format === 1 ? 2 : format, isComplete, files };
  } catch {
    throw new DamagedRecord('is not of the expected form');
  }
}

/** Takes files off the list. @throws UserError `file-not-known` for one that is not on it */
export async function forgetFiles(runsRoot: string, forgotten: readonly string[]): Promise<void> {
  await change(runsRoot, ({ files, isComplete }) => {
    const stranger = forgotten.find((file) => !files.includes(file));
    if (stranger === undefined)
      return { files: files.filter((file) => !forgotten.includes(file)), isComplete };
    throw new UserError({
      code: 'file-not-known',
      usage: true,
      message: `${stranger} is not among the ${files.length} pipeline files that ran here.`,
      remedy: 'Give its path as `npx pipeline gc` shows it.',
    });
  });
}
