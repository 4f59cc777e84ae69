import { UserError } from '../../errors.js';

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
}

/** Sizes of the paper's models. Source: Peebles and Xie, arXiv 2212.09748, table 1. */
const sizes = {
  S: { hiddenSize: 384, depth: 12, heads: 6 },
  B: { hiddenSize: 768, depth: 12, heads: 12 },
  L: { hiddenSize: 1024, depth: 24, heads: 16 },
  XL: { hiddenSize: 1152, depth: 28, heads: 16 },
} as const;

/** Sizes of a model by its name, such as `SiT-S/2`. Throws `unknown-model` on any other. */
export function namedSize(name: string): {
  hiddenSize: number;
  depth: number;
  heads: number;
  patchSize: number;
} {
  const [, size, patch] = /^SiT-(S|B|L|XL)\/(2|4|8)$/.exec(name) ?? [];
  if (size === undefined || patch === undefined)
    throw new UserError({
      code: 'unknown-model',
      message: `There is no model named ${name}: expected SiT-S, SiT-B, SiT-L or SiT-XL with patch size 2, 4 or 8, such as SiT-S/2.`,
    });
  return { ...sizes[size as keyof typeof sizes], patchSize: Number(patch) };
}

/** Tokens along one side of a model's grid. */
export function gridOf({ latentSize, patchSize }: SiTConfig): number {
  return latentSize / patchSize;
}
