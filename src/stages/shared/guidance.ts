import { UserError } from '../../base/errors.js';
import { readSavedModel, type SavedModel } from '../../weights/saved-files.js';
import { plannedModel, type Resolve } from './planned.js';

/**
 * Holds guidance of a model that is there to what it can do.
 *
 * @throws UserError `untrained-guidance` where it knows no images without a class, `guided-twice` where it draws guided
 * samples already
 */
export function requireGuidable(
  stage: string,
  { config, guided }: Pick<SavedModel, 'config' | 'guided'>,
): void {
  if (config.labelDropout === 0) {
    const reason = config.classes === 1 ? 'on images of one class' : 'without label dropout';
    throw new UserError({
      code: 'untrained-guidance',
      message: `Guidance needs a model that also knows images without a class; ${stage} is trained ${reason}.`,
      remedy: 'Sample with a guidance scale of 1, or guide by a weaker model.',
    });
  }
  if (guided === true)
    throw new UserError({
      code: 'guided-twice',
      message: `${stage} was trained to draw guided samples itself; guidance would guide them again.`,
      remedy: 'Sample with a guidance scale of 1.',
    });
}

/** Holds guidance of a stage's model to that as far as it is known before anything runs. @throws UserError as `requireGuidable` */
export async function requirePlannedGuidable(stage: string, resolve: Resolve): Promise<void> {
  const { output } = resolve(stage);
  if (output !== undefined) {
    requireGuidable(stage, await readSavedModel(output.directory));
    return;
  }
  const config = await plannedModel(stage, resolve);
  if (config !== undefined) requireGuidable(stage, { config });
}
