import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../base/errors.js';
import { asUserError, faultPoint, syncFolder } from '../base/files.js';
import { expectContents } from '../base/input-file.js';
import type { FileSeal } from '../base/output-file.js';
import { openTensors, tensorsPath, writeShards } from '../formats/safetensors/shards.js';
import { float32 } from '../tensorflow/data-types.js';
import { verifyCheckpoint, writeManifest } from './checkpoint-manifest.js';
import type { CheckpointFacts, StateGroup, VerifiedCheckpoint } from './checkpoint-manifest.js';
import type { CheckpointSchedule } from './schedule.js';
import { stepName, stepsIn } from './step-names.js';
import type { Trainer } from './trainer.js';

/** A complete, verified checkpoint: a folder named after its step. */
export interface Checkpoint<Extra> extends VerifiedCheckpoint<Extra> {
  readonly path: string;
}

/** Ending of the name of a checkpoint that is being written. */
const partialEnding = '.partial';
/** The same of one about to be deleted: not to be taken for a checkpoint while its files go. */
const removedEnding = '.removed';

/** Part of a checkpoint's description beside the trainer's state. */
export type CheckpointNote<Extra> = Pick<CheckpointFacts<Extra>, 'step' | 'extra' | 'made'>;

/**
 * Writes the trainer's whole state as `DIRECTORY/step-N`, whole or not at all: tensors first, each file synced, then
 * a manifest with their sizes and checksums, then the folder gets its name. Memory stays bounded.
 *
 * @param options bytes of a file of tensors, and the groups to write where that is not the whole state
 * @throws UserError where the disk is full or may not be written to: what was there before is as it was
 */
export async function saveCheckpoint<Extra>(
  directory: string,
  trainer: Trainer,
  note: CheckpointNote<Extra>,
  { limit, groups = trainer.groups }: { limit?: number; groups?: readonly StateGroup[] } = {},
): Promise<{ readonly path: string }> {
  const path = checkpointPath(directory, note.step);
  const partial = path + partialEnding;
  const facts = { ...note, lossScale: trainer.lossScale };
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    faultPoint('began checkpoint');
    const files: Record<string, FileSeal> = {};
    for (const group of groups) Object.assign(files, await saveGroup(partial, trainer, group, limit));
    faultPoint('wrote tensors of checkpoint');
    await writeManifest(partial, facts, files);
    await rm(path, { recursive: true, force: true });
    await rename(partial, path);
    faultPoint('named checkpoint');
    await syncFolder(directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw asUserError(error, path);
  }
  return { path };
}

/** Sets the trainer's whole state to a checkpoint's. @throws UserError `input-changed` where it is no longer what was verified */
export async function restoreCheckpoint(checkpoint: Checkpoint<unknown>, trainer: Trainer): Promise<void> {
  const end = expectContents((path) => Promise.resolve(checkpoint.seen.get(path)));
  try {
    for (const group of trainer.groups) await restoreGroup(checkpoint.path, trainer, group);
  } finally {
    end();
  }
  trainer.restoreLossScale(checkpoint.lossScale);
}

/**
 * The newest complete and undamaged checkpoint in a folder. Damaged ones, and what an interrupted save left behind, are
 * reported to `warn` and passed over.
 */
export async function latestCheckpoint<Extra>(
  directory: string,
  warn: (message: string) => void = () => undefined,
): Promise<Checkpoint<Extra> | undefined> {
  for (const step of (await stepsIn(directory, partialEnding)).reverse())
    warn(`The checkpoint ${stepName(step)} was not written to its end and is not used.`);
  for (const path of await checkpointPaths(directory)) {
    const found = await verifyCheckpoint<Extra>(path);
    if (typeof found !== 'string') return { path, ...found };
    warn(`The checkpoint ${basename(path)} is damaged (${found}) and is not used.`);
  }
  return undefined;
}

/**
 * Removes checkpoints but the newest `keepLast` and those kept for good, and what interrupted saves left behind. Where
 * none of what would be left is whole, the newest that is whole stays as well.
 */
export async function pruneCheckpoints(
  directory: string,
  { keepLast, isKept }: Pick<CheckpointSchedule, 'keepLast' | 'isKept'>,
): Promise<void> {
  for (const ending of [partialEnding, removedEnding])
    for (const step of await stepsIn(directory, ending))
      await removeFolder(checkpointPath(directory, step) + ending);
  const steps = (await stepsIn(directory)).reverse();
  const others = steps.filter((step, i) => i >= keepLast && !isKept(step));
  if (others.length === 0) return;
  const whole = await newestWhole(await checkpointPaths(directory));
  for (const path of others.map((step) => checkpointPath(directory, step)))
    if (path !== whole) await remove(path);
}

/** Path of the checkpoint after a number of steps. */
export function checkpointPath(directory: string, step: number): string {
  return join(directory, stepName(step));
}

/** Path of one group of tensors within a checkpoint, as `openTensors` takes it. */
export function groupPath(checkpoint: string, group: StateGroup): string {
  return tensorsPath(checkpoint, group);
}

async function remove(path: string): Promise<void> {
  await rename(path, path + removedEnding);
  faultPoint('unnamed checkpoint');
  await removeFolder(path + removedEnding);
  faultPoint('removed checkpoint');
}

async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

async function newestWhole(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (typeof (await verifyCheckpoint(path)) !== 'string') return path;
  return undefined;
}

/** Writes one group of the trainer's tensors into a folder, each file synced. */
export async function saveGroup(
  directory: string,
  trainer: Trainer,
  group: StateGroup,
  limit?: number,
): Promise<Record<string, FileSeal>> {
  const values = trainer.read(group);
  const sources = trainer.parametersOf(group).map(({ name, shape }) => ({
    ...{ name, shape, dtype: 'F32' as const },
    data: async () => {
      const next = await values.next();
      if (next.done === true || next.value[0] !== name)
        throw new Error(`The trainer gave ${next.done === true ? 'nothing' : next.value[0]} for ${name}.`);
      return next.value[1].data;
    },
  }));
  return writeShards(directory, group, sources, limit);
}

async function restoreGroup(directory: string, trainer: Trainer, group: StateGroup): Promise<void> {
  const path = groupPath(directory, group);
  const file = await openTensors(path);
  try {
    await trainer.write(group, async (name) => {
      const info = file.tensors.get(name);
      if (info === undefined)
        throw new UserError({ code: 'checkpoint-mismatch', message: `${path} holds no tensor ${name}.` });
      return float32(info.shape, await file.readFloat32(name));
    });
  } finally {
    await file.close();
  }
}

/** Folders of checkpoints, newest first. */
async function checkpointPaths(directory: string): Promise<string[]> {
  return (await stepsIn(directory)).reverse().map((step) => checkpointPath(directory, step));
}
