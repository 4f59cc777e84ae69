import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import { sizeOf } from '../data-types.js';
import { tf } from '../tfjs.js';
import { normalNumbers, philoxWords, uniformNumbers, wordsPerCount } from './philox.js';

const distributions = { normal: normalNumbers, uniform: uniformNumbers } as const;

/** What the native draws of `random.ts` give, computed in JavaScript. */
export function drawInJavaScript(
  distribution: keyof typeof distributions,
  key: Tensor1D,
  first: Tensor1D,
  samples: number,
  sampleShape: readonly number[],
): Tensor {
  const size = sizeOf(sampleShape);
  const counts = Math.ceil(size / wordsPerCount);
  const [low, high] = key.dataSync() as Int32Array;
  const start = BigInt(first.dataSync()[0]!) * BigInt(counts);
  const words = new Uint32Array(samples * counts * wordsPerCount);
  philoxWords([low!, high!], start, samples * counts, words);
  const padded = distributions[distribution](words);
  const stride = counts * wordsPerCount;
  const values = new Float32Array(samples * size);
  for (let sample = 0; sample < samples; sample++)
    values.set(padded.subarray(sample * stride, sample * stride + size), sample * size);
  return tf.tensor(values, [samples, ...sampleShape]);
}
