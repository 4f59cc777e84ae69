import type { StageKind } from './stage.js';

/** Where the pipeline finds stage kinds. Loading one may be slow, so that only what a file uses is loaded. */
export interface StageRegistry {
  /** Names that `uses:` may take. */
  readonly names: readonly string[];
  /** Configurations have been checked against the kind's schema before they reach it. */
  load(kind: string): Promise<StageKind<unknown>>;
}
