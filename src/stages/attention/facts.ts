import { UserError } from '../../base/errors.js';
import type { AttentionConfig } from '../../generated/index.js';
import { gridOf, shapeOf, type SiTConfig } from '../../models/sit/config.js';
import type { StageFact, StageTiming } from '../../runner/stage.js';
import { plannedModel, type Resolve } from '../shared/planned.js';
import { savingOf } from './proposal.js';

/**
 * Counts that save something in a block with full attention, ascending.
 *
 * @throws UserError `no-full-attention` where there is no such block, `no-mediators` where no count saves
 */
export function usefulCounts({ model, mediators }: AttentionConfig, config: SiTConfig): number[] {
  const block = config.mediators.indexOf(0);
  if (block < 0)
    throw new UserError({
      code: 'no-full-attention',
      message: `Every block of ${model} has mediators already: there is no attention to measure.`,
      remedy: 'Name a model with full attention, `mediators: 0`.',
    });
  const tokens = gridOf(config) ** 2;
  const useful = mediators
    .filter((count) => count <= tokens && savingOf(config, block, count) > 0)
    .sort((a, b) => a - b);
  if (useful.length > 0) return useful;
  throw new UserError({
    code: 'no-mediators',
    message: `None of the counts ${mediators.join(', ')} saves anything: ${model} has ${tokens} tokens.`,
    remedy: 'Use smaller `mediators`.',
  });
}

/** @throws UserError as `usefulCounts`, where the model is known already */
export async function requirePlannedAttention(config: AttentionConfig, resolve: Resolve): Promise<void> {
  const model = await plannedModel(config.model, resolve);
  if (model !== undefined) usefulCounts(config, model);
}

/** Describes what is measured, as far as configurations and cached outputs tell. */
export async function describeAttention(
  config: AttentionConfig,
  resolve: Resolve,
): Promise<readonly StageFact[]> {
  const model = await plannedModel(config.model, resolve);
  if (model === undefined) return [];
  const blocks = model.mediators.filter((count) => count === 0).length;
  const value = `${blocks} with full attention, mediators ${usefulCounts(config, model).join(', ')}`;
  return [{ label: 'blocks', value }];
}

/** Work of a measurement in samples, which take as long for the same model, steps, times and counts of mediators. */
export async function attentionTiming(
  config: AttentionConfig,
  resolve: Resolve,
): Promise<StageTiming | undefined> {
  const model = await plannedModel(config.model, resolve);
  if (model === undefined) return undefined;
  const { count, steps, times } = config;
  const counts = usefulCounts(config, model);
  return { amount: count, like: { shape: shapeOf(model), steps, times, counts } };
}
