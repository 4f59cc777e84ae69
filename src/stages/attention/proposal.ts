import type { SiTConfig } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import { examinedBlocks } from '../../models/sit/examine.js';

/** A choice of a count for each block. */
export interface Proposal {
  /** One for each block of the model; 0 is full attention. */
  readonly mediators: readonly number[];
  /** Share of the model's multiply-accumulates that it saves. */
  readonly saved: number;
  /** Root of the sum, over the blocks, of the squares of how far each one's output moves. */
  readonly moved: number;
}

/** Multiply-accumulates that a count saves in a block, of full attention. */
export function savingOf(config: SiTConfig, block: number, count: number): number {
  const mediators = config.mediators.map((own, i) => (i === block ? count : own));
  return sitCost(config).multiplyAccumulates - sitCost({ ...config, mediators }).multiplyAccumulates;
}

/**
 * Choices that no other beats: those that save more move the outputs further. The least is the model as it is.
 *
 * @param moved how far each examined block's output moves with each count, as a share of the output: its squares add up,
 *   as if no block changed what reaches another
 */
export function proposals(
  config: SiTConfig,
  counts: readonly number[],
  moved: readonly (readonly number[])[],
): Proposal[] {
  let frontier: Choice[] = [{ saved: 0, squares: 0, counts: [] }];
  const blocks = examinedBlocks(config);
  for (const [i, block] of blocks.entries()) {
    const options = [
      { count: 0, saved: 0, squares: 0 },
      ...counts.map((count, k) => ({
        count,
        saved: savingOf(config, block, count),
        squares: moved[i]![k]! ** 2,
      })),
    ];
    frontier = unbeaten(
      frontier.flatMap((choice) =>
        options.map(({ count, saved, squares }) => ({
          saved: choice.saved + saved,
          squares: choice.squares + squares,
          counts: [...choice.counts, count],
        })),
      ),
    );
  }
  const whole = sitCost(config).multiplyAccumulates;
  return frontier.map((choice) => ({
    mediators: config.mediators.map((own, i) => choice.counts[blocks.indexOf(i)] ?? own),
    saved: choice.saved / whole,
    moved: Math.sqrt(choice.squares),
  }));
}

interface Choice {
  readonly saved: number;
  readonly squares: number;
  readonly counts: readonly number[];
}

/** Choices that save more than every one that moves less, ascending. */
function unbeaten(choices: readonly Choice[]): Choice[] {
  const sorted = [...choices].sort((a, b) => a.squares - b.squares || b.saved - a.saved);
  const kept: Choice[] = [];
  for (const choice of sorted) if (choice.saved > (kept.at(-1)?.saved ?? -1)) kept.push(choice);
  return kept;
}

/** The choice that moves least of those that save enough; that which saves most where none does. */
export function proposalFor(frontier: readonly Proposal[], saving: number | undefined): Proposal {
  const most = frontier.at(-1)!;
  const wanted = saving ?? most.saved / 2;
  return frontier.find(({ saved }) => saved >= wanted) ?? most;
}
