import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { UserError } from '../../base/errors.js';
import type { PowerAverages } from '../../generated/index.js';
import { averageName, decaysOf, snapshotSteps } from '../../training/averages.js';
import { averageGroups, checkpointFacts, manifestName } from '../../training/checkpoint-manifest.js';
import { checkpointPath, groupPath, saveCheckpoint } from '../../training/checkpoint.js';
import { stepOf } from '../../training/step-names.js';
import type { Trainer } from '../../training/trainer.js';
import type { SavedSnapshot } from '../../weights/saved-files.js';
import { snapshotsName } from '../training/files.js';
import type { StepSnapshots } from '../training/stream.js';

/** Updates before a checkpoint or a snapshot, among what is written of it. */
interface Taken {
  readonly updates: number;
}

/**
 * Snapshots of a training's averages by a power, in `snapshots/` of the stage's output: each is written as checkpoints
 * are, and none is removed.
 */
export class AverageSnapshots implements StepSnapshots {
  private readonly folder: string;

  /** @param directory of the stage's output */
  constructor(
    private readonly directory: string,
    private readonly averages: PowerAverages,
  ) {
    this.folder = join(directory, snapshotsName);
  }

  isDue(step: number): boolean {
    return step > 0 && step % this.averages.snapshotEverySteps === 0;
  }

  /**
   * Removes snapshots of later steps, and what was not written to its end.
   *
   * @throws UserError `snapshot-missing` where one of the steps so far is not there
   */
  async rewind(step: number): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      const taken = stepOf(name);
      if (taken === undefined || taken > step)
        await rm(join(this.folder, name), { recursive: true, force: true });
    }
    for (const path of snapshotSteps(this.averages, step)
      .filter((due) => this.isDue(due))
      .map((due) => checkpointPath(this.folder, due)))
      if (!existsSync(join(path, manifestName)))
        throw new UserError({
          code: 'snapshot-missing',
          message: `${path}: a snapshot of the averages is expected there, and is gone. Averages of other widths cannot be rebuilt without it.`,
          remedy: 'Put it back; or remove the folder of checkpoints, and train from the beginning.',
        });
  }

  async take(trainer: Trainer, step: number, updates: number): Promise<void> {
    const groups = averageGroups(decaysOf(this.averages));
    const extra: Taken = { updates };
    await saveCheckpoint(this.folder, trainer, { step, extra }, { groups });
  }

  /**
   * All snapshots of a training that is over, ascending: those taken on the way and the averages at its end.
   *
   * @param last path of its last checkpoint
   */
  async all(totalSteps: number, last: string): Promise<readonly SavedSnapshot[]> {
    const paths = snapshotSteps(this.averages, totalSteps).map((step) =>
      this.isDue(step) ? checkpointPath(this.folder, step) : last,
    );
    const decays = decaysOf(this.averages);
    const groups = averageGroups(decays);
    return Promise.all(
      paths.map(async (path) => ({
        updates: (await checkpointFacts<Taken>(path)).extra.updates,
        weights: Object.fromEntries(
          groups.map((group, i) => [
            averageName(decays[i]!),
            relative(this.directory, groupPath(path, group)),
          ]),
        ),
      })),
    );
  }
}
