import type { ModelConfig } from '../../generated/index.js';

/**
 * Mediators of each block, from any of the three ways to write them; 0 is full attention. Of ranges that
 * overlap the last wins, and blocks outside of every range have full attention.
 *
 * @returns one count a block, `[depth]`
 */
export function mediatorsPerBlock({ mediators, depth }: Pick<ModelConfig, 'mediators' | 'depth'>): number[] {
  return Array.from({ length: depth }, (_, block) => {
    if (typeof mediators === 'number') return mediators;
    const entry = mediators.findLast((item, i) =>
      typeof item === 'number' ? i === block : item.blocks[0] <= block && block <= item.blocks[1],
    );
    return typeof entry === 'object' ? entry.mediators : (entry ?? 0);
  });
}
