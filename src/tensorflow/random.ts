import { createHash } from 'node:crypto';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import { DataTypeCode, type HostTensor, int32, sizeOf } from './data-types.js';
import { engineKind } from './engine.js';
import { normalNumbers, philoxWords, smallest, uniformNumbers, wordsPerCount } from './fallback/philox.js';
import { nativeBackend } from './native-backend.js';
import { AttributeKind } from './op-binding.js';
import { compiledWhole } from './pieces.js';
import { tf } from './tfjs.js';

/**
 * Random numbers as a pure function of (seed, purpose, step, sample): TensorFlow's Philox generator, keyed by the
 * first three and counted by the last. The numbers of a sample do not depend on the batch that it is drawn in.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011); TensorFlow's
 * `StatelessRandomNormalV2` and `StatelessRandomUniformV2`.
 */

/** RNG_ALG_PHILOX */
const philox = 1;
/** Numbers that one step of Philox's counter gives. */
const numbersPerCount = 4;

/**
 * The key of a stream of random numbers, to be fed as `key` to `randomNormal` and `randomUniform`.
 * `purpose` names what the numbers are for, such as `noise`; streams of different purposes are independent.
 */
export function streamKey(seed: number, purpose: string, step = 0): HostTensor {
  const hash = createHash('sha256').update(`${seed}/${purpose}/${step}`).digest();
  return int32([2], Int32Array.of(hash.readInt32LE(0), hash.readInt32LE(4)));
}

/**
 * Standard normal numbers of shape [samples, ...sampleShape] for the samples `first`, `first` + 1, …
 *
 * @param key int32 [2], from `streamKey`
 * @param first int32 [1]: index of the first sample
 */
export function randomNormal(
  key: Tensor1D,
  first: Tensor1D,
  samples: number,
  sampleShape: readonly number[],
): Tensor {
  return draw('normal', key, first, samples, sampleShape);
}

/** Uniform numbers in [0, 1), otherwise as `randomNormal`. */
export function randomUniform(
  key: Tensor1D,
  first: Tensor1D,
  samples: number,
  sampleShape: readonly number[],
): Tensor {
  return draw('uniform', key, first, samples, sampleShape);
}

/** The operation for words as they come, of which XLA gives the same: its numbers are others. */
const rawWords = 'StatelessRandomUniformFullIntV2';
const operations = { normal: 'StatelessRandomNormalV2', uniform: 'StatelessRandomUniformV2' } as const;

function draw(
  distribution: keyof typeof operations,
  key: Tensor1D,
  first: Tensor1D,
  samples: number,
  sampleShape: readonly number[],
): Tensor {
  if (engineKind() === 'wasm') return drawInJavaScript(distribution, key, first, samples, sampleShape);
  const size = sizeOf(sampleShape);
  const counts = Math.ceil(size / numbersPerCount);
  const padded = counts * numbersPerCount;
  return tf.tidy(() => {
    const shape = tf.tensor1d([samples, padded], 'int32');
    const keyPair = key.reshape([1, 2]);
    const flat = compiledWhole()
      ? numbersOf[distribution](generate(rawWords, shape, keyPair, first, counts))
      : generate(operations[distribution], shape, keyPair, first, counts);
    const used = padded === size ? flat : flat.slice([0, 0], [samples, size]);
    return used.reshape([samples, ...sampleShape]);
  });
}

/** Numbers of words, as TensorFlow's operations make them: see `uniformNumbers` and `normalNumbers`. */
const numbersOf = {
  uniform: (words: Tensor) => mantissas(words).mul(2 ** -23),
  normal: (words: Tensor) => {
    const [samples, size] = words.shape as [number, number];
    const [radii, angles] = tf.unstack(numbersOf.uniform(words).reshape([samples, size / 2, 2]), 2) as [
      Tensor,
      Tensor,
    ];
    const radius = radii.maximum(smallest).log().mul(-2).sqrt();
    const angle = angles.mul(2 * Math.PI);
    return tf.stack([radius.mul(angle.sin()), radius.mul(angle.cos())], 2).reshape(words.shape);
  },
} satisfies Record<keyof typeof operations, (words: Tensor) => Tensor>;

/** Low 23 bits of words, as float32. */
function mantissas(words: Tensor): Tensor {
  const [low] = nativeBackend().operation('BitwiseAnd', [words, tf.scalar(0x7fffff, 'int32')]) as [Tensor];
  return low.cast('float32');
}

/**
 * Calls a generator with TensorFlow's own types. tfjs has no 64-bit integers, so what lies between is handled by
 * the binding's ids: key and position are 32-bit integers outside and 64-bit ones inside.
 */
function generate(
  operation: string,
  shape: Tensor,
  keyPair: Tensor,
  first: Tensor1D,
  counts: number,
): Tensor {
  const backend = nativeBackend();
  const { binding } = backend;
  const temporary: number[] = [];
  const raw = (name: string, inputs: number[], attributes: Record<string, number>): number => {
    const list = Object.entries(attributes).map(([attribute, value]) => ({
      name: attribute,
      type: attribute === 'N' ? AttributeKind.int : AttributeKind.type,
      value,
    }));
    const id = binding.executeOp(name, list, inputs, 1)[0]!.id;
    temporary.push(id);
    return id;
  };
  const constant = (values: BigInt64Array | Int32Array, dtype: number, of: number[]): number => {
    const id = binding.createTensor(of, dtype, values);
    temporary.push(id);
    return id;
  };
  const { int32: i32, int64: i64, uint64: u64, float32: f32 } = DataTypeCode;

  const position = raw(
    'Mul',
    [
      raw('Cast', [backend.idOf(first)], { SrcT: i32, DstT: i64 }),
      constant(BigInt64Array.of(BigInt(counts)), i64, [1]),
    ],
    { T: i64 },
  );
  const zero = constant(BigInt64Array.of(0n), i64, [1]);
  const words = raw('ConcatV2', [position, zero, constant(Int32Array.of(0), i32, [])], {
    N: 2,
    T: i64,
    Tidx: i32,
  });
  const counter = raw('Bitcast', [words], { T: i64, type: u64 });
  const key = raw('Bitcast', [backend.idOf(keyPair)], { T: i32, type: u64 });
  const algorithm = constant(Int32Array.of(philox), i32, []);
  const [result] = binding.executeOp(
    operation,
    [
      { name: 'dtype', type: AttributeKind.type, value: operation === rawWords ? i32 : f32 },
      { name: 'Tshape', type: AttributeKind.type, value: i32 },
    ],
    [backend.idOf(shape), key, counter, algorithm],
    1,
  );
  for (const id of temporary) binding.deleteTensor(id);
  return backend.createOutputTensor(result!);
}

const distributions = { normal: normalNumbers, uniform: uniformNumbers } as const;

/** Counterpart of the native draws in JavaScript. */
function drawInJavaScript(
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
