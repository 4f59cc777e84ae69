import {
  type HostTensor,
  type HostTensors,
  int32,
  mapValues,
  type Program,
  type Scalar,
  type Tensor,
  type Tensors,
  type TensorSpec,
  tf,
} from '../tensorflow/index.js';

/** A loss: a scalar to minimise, the mean over the samples, and scalars to report beside it, means as well. */
export interface Loss {
  readonly loss: Tensor;
  readonly figures?: Readonly<Record<string, Tensor>>;
}

export type LossProgram = (inputs: Tensors, weights: Tensors) => Loss;

const gradientPrefix = 'gradient ';
const figurePrefix = 'figure ';
/** The input that the loss is multiplied by, and its gradients with it. */
export const scaleInput = 'loss scale';

/**
 * The program that also returns the loss's gradients by the weights that are trained, multiplied by the input `scaleInput`
 * where given.
 *
 * @param names of the weights that are trained; the others are constants to it
 */
export function withGradients(program: LossProgram, names: readonly string[]): Program<Tensors, Tensors> {
  return ({ [scaleInput]: scale, ...inputs }, weights) => {
    const isTrained = new Set(names);
    const frozen = Object.entries(weights).filter(([name]) => !isTrained.has(name));
    let figures: Readonly<Record<string, Tensor>> = {};
    const { value, grads } = tf.valueAndGrads((...values: Tensor[]) => {
      const result = program(
        inputs,
        Object.fromEntries([...frozen, ...names.map((name, i) => [name, values[i]!] as const)]),
      );
      figures = result.figures ?? {};
      for (const figure of Object.values(figures)) tf.keep(figure);
      return result.loss.asScalar();
    })(
      names.map((name) => weights[name]!),
      scale as Scalar | undefined,
    );
    return {
      loss: value,
      ...Object.fromEntries(Object.entries(figures).map(([name, figure]) => [figurePrefix + name, figure])),
      ...Object.fromEntries(names.map((name, i) => [gradientPrefix + name, grads[i]!])),
    };
  };
}

/** Sorts what `withGradients` returned: figures by their names, and the gradients of the named weights. */
export function gradientResults<T>(
  { loss, ...others }: Readonly<Record<string, T>>,
  names: readonly string[],
): { readonly loss: T; readonly figures: Readonly<Record<string, T>>; readonly gradients: readonly T[] } {
  const figures = Object.entries(others).filter(([name]) => name.startsWith(figurePrefix));
  return {
    loss: loss!,
    figures: Object.fromEntries(figures.map(([name, value]) => [name.slice(figurePrefix.length), value])),
    gradients: names.map((name) => others[gradientPrefix + name]!),
  };
}

/** Division of a batch into parts, computed one after the other, so that less memory is needed. */
export interface Accumulation {
  /** Parts of equal size. */
  readonly parts: number;
  /** Inputs with one entry a sample along axis 0; the others are the same for every part. */
  readonly perSample: readonly string[];
  /** The input that holds the place of a part's first sample in the global batch, int32 [1]. */
  readonly firstSample: string;
}

/** Throws a RangeError where a batch cannot be split into equal parts. */
export function checkDivides(
  inputs: Readonly<Record<string, TensorSpec>>,
  { parts, perSample }: Accumulation,
): void {
  for (const name of perSample.filter((name) => name in inputs)) {
    const samples = inputs[name]!.shape[0]!;
    if (samples % parts !== 0)
      throw new RangeError(`A batch of ${samples} cannot be split into ${parts} equal parts.`);
  }
}

/** Shapes of a part's inputs. */
export function partSpecs(
  inputs: Readonly<Record<string, TensorSpec>>,
  { parts, perSample }: Accumulation,
): Record<string, TensorSpec> {
  return mapValues(inputs, (spec, name) => {
    if (!perSample.includes(name)) return spec;
    const [samples, ...rest] = spec.shape as [number, ...number[]];
    return { ...spec, shape: [samples / parts, ...rest] };
  });
}

/** The parts of a batch. Each sample keeps its place in the global batch, and so its random numbers. */
export function partsOf(inputs: HostTensors, { parts, perSample, firstSample }: Accumulation): HostTensors[] {
  return Array.from({ length: parts }, (_, part) =>
    mapValues(inputs, (value, name) => {
      if (perSample.includes(name)) return slice(value, part, parts);
      if (name !== firstSample) return value;
      const [samples] = inputs[perSample[0]!]!.shape as [number];
      return int32([1], Int32Array.of(value.data[0]! + (part * samples) / parts));
    }),
  );
}

function slice({ dtype, shape, data }: HostTensor, part: number, parts: number): HostTensor {
  const [samples, ...rest] = shape as [number, ...number[]];
  const size = data.length / parts;
  return { dtype, shape: [samples / parts, ...rest], data: data.subarray(part * size, (part + 1) * size) };
}
