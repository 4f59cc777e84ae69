import { type HostTensor, type HostTensors, type TensorSpec, int32, mapValues } from '../tensorflow/index.js';

/** How a batch is computed in parts, one after the other, so that less memory is needed. */
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
  for (const name of perSample) {
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
