/** What defines a scalable interpolant transformer, with attention mediators or without. */
export interface SiTConfig {
  /** Height and width of a latent, in latent pixels. */
  readonly latentSize: number;
  readonly channels: number;
  readonly patchSize: number;
  readonly hiddenSize: number;
  readonly depth: number;
  readonly heads: number;
  readonly classes: number;
  /** Mediators of each block; 0 means full attention. */
  readonly mediators: readonly number[];
  /** Probability that training replaces a label with the null class. 0: there is no null class. */
  readonly labelDropout: number;
  /** Whether queries and keys are normalised, head by head. Default false. */
  readonly qkNorm?: boolean;
}

/** Tokens along one side of a model's grid. */
export function gridOf({ latentSize, patchSize }: SiTConfig): number {
  return latentSize / patchSize;
}
