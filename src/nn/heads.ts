import { type Tensor, tf } from '../tensorflow/index.js';

/**
 * [batch, tokens, channels] → [heads, batch, tokens, channels / heads]. Heads come first so that taking some of them
 * copies nothing.
 */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, tokens, channels] = x.shape as [number, number, number];
  return x.reshape([batch, tokens, heads, channels / heads]).transpose([2, 0, 1, 3]);
}

/** [heads, batch, tokens, size] → [batch, tokens, heads · size] */
export function mergeHeads(x: Tensor): Tensor {
  const [heads, batch, tokens, size] = x.shape as [number, number, number, number];
  return x.transpose([1, 2, 0, 3]).reshape([batch, tokens, heads * size]);
}

/** Queries, keys and values side by side, [batch, tokens, 3 · channels] → three times [heads, batch, tokens, size]. */
export function splitQueryKeyValue(qkv: Tensor, heads: number): [Tensor, Tensor, Tensor] {
  return tf.split(splitHeads(qkv, 3 * heads), 3, 0) as [Tensor, Tensor, Tensor];
}

/** Undoes `splitQueryKeyValue`. */
export function mergeQueryKeyValue(q: Tensor, k: Tensor, v: Tensor): Tensor {
  return mergeHeads(tf.concat([q, k, v], 0));
}
