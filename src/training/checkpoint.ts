import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openSafetensors, writeSafetensors } from '../data/safetensors/index.js';
import { asUserError } from '../files/file-errors.js';
import { type FileSeal, writeFileWhole } from '../files/output-file.js';
import { sha256OfFile } from '../files/sha256-file.js';
import { UserError } from '../errors.js';
import { float32 } from '../tensorflow/index.js';
import type { CheckpointSchedule } from './checkpoint-schedule.js';
import type { LossScaleState } from './loss-scale.js';
import type { StateGroup } from './state-groups.js';
import type { Trainer } from './trainer.js';
import { syncFolder } from '../files/sync-folder.js';

/** A complete, verified checkpoint: a folder named after its step. */
export interface Checkpoint<Extra> {
  readonly path: string;
  /** Steps taken before it. */
  readonly step: number;
  readonly extra: Extra;
  readonly lossScale?: LossScaleState | undefined;
}

interface Manifest<Extra> {
  readonly format: 'checkpoint-1';
  readonly step: number;
  readonly extra: Extra;
  readonly lossScale?: LossScaleState | undefined;
  readonly files: Readonly<Record<string, FileSeal>>;
}

const manifestName = 'manifest.json';
const folderPattern = /^step-(\d{9})$/;

/**
 * Writes the trainer's whole state as `DIRECTORY/step-N`, whole or not at all: tensors first, each file synced, then
 * a manifest with their sizes and checksums, then the folder gets its name.
 *
 * @param extra what else belongs to the state, as JSON
 */
export async function saveCheckpoint<Extra>(
  directory: string,
  trainer: Trainer,
  step: number,
  extra: Extra,
): Promise<Checkpoint<Extra>> {
  const path = checkpointPath(directory, step);
  const partial = `${path}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    const files: Record<string, FileSeal> = {};
    for (const group of trainer.groups)
      files[`${group}.safetensors`] = await saveGroup(partial, trainer, group);
    const { lossScale } = trainer;
    const manifest: Manifest<Extra> = { format: 'checkpoint-1', step, extra, lossScale, files };
    await writeFileWhole(join(partial, manifestName), JSON.stringify(manifest, undefined, 1) + '\n');
    await rm(path, { recursive: true, force: true });
    await rename(partial, path);
    await syncFolder(directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw asUserError(error, path);
  }
  return { path, step, extra, lossScale: trainer.lossScale };
}

/** Sets the trainer's whole state to a checkpoint's. */
export async function restoreCheckpoint(checkpoint: Checkpoint<unknown>, trainer: Trainer): Promise<void> {
  for (const group of trainer.groups) await restoreGroup(checkpoint.path, trainer, group);
  trainer.restoreLossScale(checkpoint.lossScale);
}

/**
 * The newest complete and undamaged checkpoint in a folder. Damaged ones are reported to `warn` and passed over;
 * what an interrupted save left behind is not looked at.
 */
export async function latestCheckpoint<Extra>(
  directory: string,
  warn: (message: string) => void = () => undefined,
): Promise<Checkpoint<Extra> | undefined> {
  for (const path of await checkpointPaths(directory)) {
    const found = await verify<Extra>(path);
    if (typeof found !== 'string') return found;
    warn(`The checkpoint ${basename(path)} is damaged (${found}) and is not used.`);
  }
  return undefined;
}

/**
 * Removes checkpoints but the newest `keepLast` and those kept for good. Where none of what would be left is whole, the
 * newest that is whole stays as well.
 */
export async function pruneCheckpoints(
  directory: string,
  { keepLast, isKept }: Pick<CheckpointSchedule, 'keepLast' | 'isKept'>,
): Promise<void> {
  const paths = await checkpointPaths(directory);
  const spared = paths.filter((path, i) => i < keepLast || isKept(stepOf(path)));
  if (spared.length === paths.length) return;
  const whole = await newestWhole(paths);
  for (const path of paths)
    if (!spared.includes(path) && path !== whole) await rm(path, { recursive: true, force: true });
}

async function newestWhole(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (typeof (await verify(path)) !== 'string') return path;
  return undefined;
}

function stepOf(path: string): number {
  return Number(folderPattern.exec(basename(path))![1]);
}

/** Path of the checkpoint after a number of steps. */
export function checkpointPath(directory: string, step: number): string {
  return join(directory, `step-${String(step).padStart(9, '0')}`);
}

/** Path of one group of tensors within a checkpoint. */
export function groupPath(checkpoint: string, group: StateGroup): string {
  return join(checkpoint, `${group}.safetensors`);
}

async function saveGroup(directory: string, trainer: Trainer, group: StateGroup): Promise<FileSeal> {
  const tensors = [];
  for await (const [name, { shape, data }] of trainer.read(group))
    tensors.push({ name, dtype: 'F32' as const, shape, data });
  return writeSafetensors(groupPath(directory, group), tensors);
}

async function restoreGroup(directory: string, trainer: Trainer, group: StateGroup): Promise<void> {
  const file = await openSafetensors(groupPath(directory, group));
  try {
    await trainer.write(group, async (name) => {
      const info = file.tensors.get(name);
      if (info === undefined)
        throw new UserError({
          code: 'checkpoint-mismatch',
          message: `${groupPath(directory, group)} holds no tensor ${name}.`,
        });
      return float32(info.shape, await file.readFloat32(name));
    });
  } finally {
    await file.close();
  }
}

/** The checkpoint, or what is wrong with it. */
async function verify<Extra>(path: string): Promise<Checkpoint<Extra> | string> {
  let manifest: Manifest<Extra>;
  try {
    manifest = JSON.parse(await readFile(join(path, manifestName), 'utf8')) as Manifest<Extra>;
  } catch {
    return `${manifestName} cannot be read`;
  }
  for (const [name, seal] of Object.entries(manifest.files)) {
    const found = await sha256OfFile(join(path, name)).catch(() => undefined);
    if (found !== seal.sha256) return `${name} is not what was written`;
  }
  return { path, step: manifest.step, extra: manifest.extra, lossScale: manifest.lossScale };
}

/** Folders of checkpoints, newest first. */
async function checkpointPaths(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((name) => folderPattern.test(name))
    .sort()
    .reverse()
    .map((name) => join(directory, name));
}
