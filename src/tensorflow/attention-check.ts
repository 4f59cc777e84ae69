import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import { TensorFlowError } from './c-api.js';
import type { HostTensor } from './data-types.js';
import { fusedAttention, fusedAttentionGradient } from './fused-attention.js';
import { randomNormal, streamKey } from './random.js';
import type { RuntimeOptions } from './runtime-options.js';
import { Session } from './session.js';
import { tf } from './tfjs.js';
import { trace } from './trace.js';

/** Largest difference that rounding to bfloat16 explains, as a part of the largest number. */
const mostByRounding = 0.05;

/** TF_INTERNAL */
const internal = 13;

/** Checks under way and done, by options and size of heads. */
const checks = new Map<string, Promise<void>>();

/**
 * Compares cuDNN's attention and its gradient with the same by products, on random numbers, once a process.
 *
 * @param size of a head
 * @throws TensorFlowError where they differ by more than rounding explains
 */
export function checkAttention(options: RuntimeOptions, size: number): Promise<void> {
  const key = `${JSON.stringify(options)} ${size}`;
  const check = checks.get(key) ?? compare(options, size);
  checks.set(key, check);
  return check;
}

async function compare(options: RuntimeOptions, size: number): Promise<void> {
  const session = new Session(options);
  try {
    const keys = Object.fromEntries(drawn.map((name) => [name, streamKey(0, name)])) as Drawn<HostTensor>;
    const { inputs, outputs } = trace(session, differences, keys, {}, size);
    const feeds = Object.entries(keys).map(([name, key]) => [inputs[name]!, key] as const);
    const [figures] = await session.run(feeds, [outputs.figures!]);
    const pairs = Array.from({ length: 4 }, (_, i) => figures!.data.subarray(2 * i, 2 * i + 2));
    for (const [i, [difference, largest]] of pairs.entries())
      if (!(difference! <= mostByRounding * largest!)) {
        const name = ['values', 'gradient by queries', 'gradient by keys', 'gradient by values'][i]!;
        const message = `cuDNN's attention, compared with products, is off by ${difference!.toPrecision(2)} where the largest number is ${largest!.toPrecision(2)} (${name}, heads of ${size})`;
        throw new TensorFlowError(message, internal);
      }
  } finally {
    await session.close();
  }
}

const drawn = ['q', 'k', 'v', 'dy'] as const;

type Drawn<T> = Readonly<Record<(typeof drawn)[number], T>>;

/** Heads and tokens of what is compared. */
const heads = 2;
const tokens = 1024;

/**
 * The largest difference and the largest number of the attention's values and of its three gradients, in turn.
 *
 * @param keys of random numbers, as `streamKey` makes them
 */
function differences(keys: Drawn<Tensor>, _: unknown, size: number): { figures: Tensor } {
  const draw = (key: Tensor) =>
    randomNormal(key as Tensor1D, tf.zeros([1], 'int32'), heads, [1, tokens, size]);
  // So large that a few keys matter most.
  const q = draw(keys.q).mul(3);
  const [k, v, dy] = [keys.k, keys.v, keys.dy].map(draw) as [Tensor, Tensor, Tensor];
  const scale = size ** -0.5;
  const fused = fusedAttention(q, k, v, scale);
  const byCudnn = [fused.value, ...fusedAttentionGradient([q, k, v], fused, dy, scale)];
  const byProducts = attentionByProducts([q, k, v], dy, scale);
  const pairs = byProducts.flatMap((expected, i) => [
    byCudnn[i]!.sub(expected).abs().max(),
    expected.abs().max(),
  ]);
  return { figures: tf.stack(pairs) };
}

/** Attention's values for queries, keys and values, [heads, batch, tokens, size], and its gradients by these. */
export function attentionByProducts(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  dy: Tensor,
  scale: number,
): [Tensor, Tensor, Tensor, Tensor] {
  const probabilities = tf.softmax(tf.matMul(q, k, false, true).mul(scale));
  const dProbabilities = tf.matMul(dy, v, false, true);
  const shared = dProbabilities.mul(probabilities).sum(-1, true);
  const dScores = dProbabilities.sub(shared).mul(probabilities).mul(scale);
  return [
    tf.matMul(probabilities, v),
    tf.matMul(dScores, k),
    tf.matMul(dScores, q, true, false),
    tf.matMul(probabilities, dy, true, false),
  ];
}
