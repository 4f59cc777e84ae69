import type { Proposal } from './proposal.js';

export const attentionName = 'attention.json';

/** `attention.json` */
export interface Attention {
  readonly model: string;
  readonly samples: number;
  readonly tokens: number;
  /** Rows of each attention that are compared. */
  readonly rows: number;
  readonly times: readonly number[];
  /** Counts of mediators that were tried. */
  readonly counts: readonly number[];
  /** Blocks with full attention. */
  readonly blocks: readonly ExaminedBlock[];
  /** Choices that no other beats, from the model as it is to what saves most. */
  readonly frontier: readonly Proposal[];
  readonly proposal: Proposal;
}

interface ExaminedBlock {
  /** Number of the block, from 0. */
  readonly block: number;
  /** Mean Jensen–Shannon divergence between rows, in nats, at each time. */
  readonly divergence: readonly number[];
  /** For each count, how far the output moves at each time: the difference as a share of the output, both root mean square. */
  readonly moved: readonly (readonly number[])[];
}
