import { type Tensor, tf } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';

/** Some of the tokens of each sample, and where they stand among all. */
export class KeptTokens {
  /**
   * @param places of the tokens that are kept among all, in rising order: [batch, kept], int32
   * @param ranks of all tokens among those that are kept; of the others the number of those: [batch, tokens], int32
   */
  constructor(
    readonly places: Tensor,
    private readonly ranks: Tensor,
  ) {}

  /** The kept among all tokens: [batch, tokens, channels] → [batch, kept, channels]. */
  readonly take = differentiable((all: Tensor) => ({
    value: this.taken(all),
    saved: [],
    gradient: (dy: Tensor) => this.spread(dy),
  }));

  /** The kept at their places among all, zeros at the others: [batch, kept, channels] → [batch, tokens, channels]. */
  readonly put = differentiable((kept: Tensor) => ({
    value: this.spread(kept),
    saved: [],
    gradient: (dy: Tensor) => this.taken(dy),
  }));

  /** All tokens, those that are kept replaced: [batch, kept, channels] → [batch, tokens, channels]. */
  replaced(all: Tensor, kept: Tensor): Tensor {
    return tf.where(this.ranks.less(this.places.shape[1]!).expandDims(-1), this.put(kept), all);
  }

  /** Rows of a table of all tokens: [tokens, numbers] → [batch, kept, numbers]. */
  readonly rows = differentiable((table: Tensor) => ({
    value: tf.gather(table, this.places),
    saved: [],
    gradient: (dy: Tensor) => this.spread(dy).sum(0),
  }));

  /** `take` and `put` without gradients of their own: each is the other's. */
  taken(all: Tensor): Tensor {
    return ofEach(all, this.places);
  }

  spread(kept: Tensor): Tensor {
    const [batch, , channels] = kept.shape as [number, number, number];
    const zeros = tf.zeros([batch, 1, channels]);
    return ofEach(tf.concat([kept, zeros], 1), this.ranks);
  }
}

/**
 * Rows of each sample, [batch, rows, channels], by their numbers, [batch, count], int32: [batch, count, channels]. tfjs's
 * WebAssembly gives others where `gather` is asked for rows of each sample, so that they are asked of all.
 */
function ofEach(x: Tensor, numbers: Tensor): Tensor {
  const [batch, rows, channels] = x.shape as [number, number, number];
  const first = tf.range(0, batch * rows, rows, 'int32').expandDims(1);
  return tf.gather(x.reshape([batch * rows, channels]), numbers.add(first));
}
