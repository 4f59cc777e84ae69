import {
  float32,
  int32,
  streamKey,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
} from '../../src/tensorflow/index.js';
import { diffusionLoss, type LatentInputs, type RandomInputs } from '../../src/training/diffusion-loss.js';
import { timeInterval, transportOf } from '../../src/transport/index.js';
import { philox } from '../tensorflow/philox.js';

const shape = [2, 2, 3] as const;
const size = 12;
const seed = 9;
type Purpose = 'posterior' | 'noise' | 'time' | 'dropout';
const labelDropout = 0.4;
const nullClass = 100;
const mean = (sample: number, i: number) => Math.sin(sample + 0.3 * i);
const std = (sample: number, i: number) => 0.5 + 0.4 * Math.cos(sample * i);
const choice = { interpolant: 'linear', prediction: 'velocity' } as const;

/** Inputs of the loss for samples `first`, `first` + 1, … of a step's global batch. */
export function lossInputs(step: number, first: number, samples: number) {
  const latents = (value: typeof mean) =>
    float32(
      [samples, ...shape],
      Float32Array.from({ length: samples * size }, (_, i) => value(first + Math.floor(i / size), i % size)),
    );
  const key = (purpose: Purpose) => streamKey(seed, purpose, step);
  return {
    mean: latents(mean),
    std: latents(std),
    labels: int32(
      [samples],
      Int32Array.from({ length: samples }, (_, i) => first + i),
    ),
    posteriorKey: key('posterior'),
    noiseKey: key('noise'),
    timeKey: key('time'),
    dropoutKey: key('dropout'),
    firstSample: int32([1], Int32Array.of(first)),
  };
}

/** A loss whose model tells time and label: it outputs x + t + label. */
export function lossOf(inputs: Readonly<Record<keyof ReturnType<typeof lossInputs>, Tensor>>): {
  losses: Tensor;
} {
  const model = (x: Tensor4D, t: Tensor1D, y: Tensor1D) =>
    x.add(t.reshape([-1, 1, 1, 1])).add(y.cast('float32').reshape([-1, 1, 1, 1]));
  const { losses } = diffusionLoss(
    model,
    inputs as unknown as LatentInputs,
    inputs as unknown as RandomInputs,
    {
      transport: { ...transportOf(choice), lossWeight: 'none' },
      interval: timeInterval(choice, 0),
      timestepSampling: { kind: 'uniform' },
      timestepShift: 1,
      normalization: { mean: [0.1, 0.2, 0.3], std: [1, 2, 0.5] },
      labelDropout,
      nullClass,
    },
  );
  return { losses };
}

/** The same by its closed form in double precision, with numbers of a Philox generator that was written for tests. */
export function expectedLosses(step: number, first: number, samples: number): number[] {
  const uniform = (purpose: Purpose, sample: number, count: number): number[] => {
    const counters = Math.ceil(count / 4);
    const key = [...streamKey(seed, purpose, step).data].map((word) => word >>> 0);
    return Array.from({ length: counters }, (_, i) => philox([sample * counters + i, 0, 0, 0], key))
      .flat()
      .map((word) => (word & 0x7fffff) / 2 ** 23);
  };
  const normal = (purpose: Purpose, sample: number): number[] => {
    const numbers = uniform(purpose, sample, size);
    return numbers.map((_, i) => {
      const [u, v] = [numbers[i - (i % 2)]!, numbers[i - (i % 2) + 1]!];
      const radius = Math.sqrt(-2 * Math.log(Math.max(u, 1e-7)));
      return radius * (i % 2 === 0 ? Math.sin(2 * Math.PI * v) : Math.cos(2 * Math.PI * v));
    });
  };
  return Array.from({ length: samples }, (_, i) => {
    const sample = first + i;
    const posterior = normal('posterior', sample);
    const noise = normal('noise', sample);
    const t = uniform('time', sample, 1)[0]!;
    const label = uniform('dropout', sample, 1)[0]! < labelDropout ? nullClass : sample;
    const errors = noise.map((e, j) => {
      const channel = j % 3;
      const drawn = mean(sample, j) + std(sample, j) * posterior[j]!;
      const data = (drawn - [0.1, 0.2, 0.3][channel]!) / [1, 2, 0.5][channel]!;
      const x = t * data + (1 - t) * e;
      return (x + t + label - (data - e)) ** 2;
    });
    return errors.reduce((sum, error) => sum + error, 0) / size;
  });
}
