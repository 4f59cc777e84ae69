import { randomUUID } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EfficientNet } from '../../src/metrics/efficientnet.js';
import {
  comparingGpuMemory,
  efficientNetGpuMemory,
  inceptionGpuMemory,
} from '../../src/metrics/gpu-memory.js';
import { InceptionNetwork, storedKernelDistance, storedPrecisionRecall } from '../../src/metrics/index.js';
import { autoencoderLoss } from '../../src/models/autoencoder-kl/autoencoder-kl.js';
import { type AutoencoderConfig, downsampleOf } from '../../src/models/autoencoder-kl/config.js';
import {
  gpuAutoencoderMemory,
  gpuCodingMemory,
  reconstructedImages,
} from '../../src/models/autoencoder-kl/gpu-memory.js';
import { defaultMemoryMiB } from '../../src/models/autoencoder-kl/memory.js';
import { autoencoderParameters } from '../../src/models/autoencoder-kl/parameters.js';
import { zeros } from '../../src/nn/parameter.js';
import { initialValues } from '../../src/nn/parameters.js';
import {
  float32,
  gpuMemory,
  int32,
  openSession,
  sizeOf,
  streamKey,
  type Tensor1D,
  type Tensor4D,
} from '../../src/tensorflow/index.js';
import { obtainNetwork } from '../../src/tensorflow/install/feature-network.js';
import { openTrainer } from '../../src/training/open-trainer.js';
import { Autoencoder } from '../../src/weights/saved-autoencoder.js';
import { writeSavedAutoencoder } from '../../src/weights/saved-files.js';
import { inceptionStem } from './inception-stem.js';

/** Work of a network of images that `images.ts` is told to do: `images.ts JSON`. */
export interface Asked {
  readonly work:
    'encode' | 'decode' | 'autoencoder' | 'efficientnet' | 'inception' | 'kernelDistance' | 'precisionRecall';
  /** The autoencoder, where it differs from Stable Diffusion's. */
  readonly config?: Partial<AutoencoderConfig>;
  /** Side of the images; numbers of a row of features. */
  readonly size: number;
  /** Images, or rows of the smaller set. */
  readonly batch: number;
  readonly memoryMiB?: number;
}

/** Bytes of the GPU's memory that it took at its peak, and those that are expected. */
export interface Measured {
  readonly peak: number;
  readonly expected: number;
}

const {
  work,
  config: changed,
  size,
  batch,
  memoryMiB = defaultMemoryMiB,
} = JSON.parse(process.argv[2]!) as Asked;
const config: AutoencoderConfig = {
  ...{ imageChannels: 3, latentChannels: 4, channels: [128, 256, 512, 512] },
  ...{ layersPerBlock: 2, normGroups: 32, patchSize: 1, ...changed },
};
const runtime = { device: 'gpu' } as const;
const blank = (...shape: number[]) => float32(shape, new Float32Array(sizeOf(shape)));
const imagesOf = (count: number) => blank(count, size, size, 3);
const latentsOf = (count: number) => {
  const side = size / downsampleOf(config);
  return blank(count, side, side, config.latentChannels);
};
const rowsOf = (count: number) => ({
  count,
  width: size,
  read: (_: number, rows: number) => Promise.resolve(new Float32Array(rows * size)),
});

const works: Readonly<Record<Asked['work'], () => Promise<void>>> = {
  encode: async () => {
    const autoencoder = await zeroAutoencoder();
    for (let i = 0; i < 2; i++) await autoencoder.encode(imagesOf(batch));
  },
  decode: async () => {
    const autoencoder = await zeroAutoencoder();
    for (let i = 0; i < 2; i++) await autoencoder.decode(latentsOf(batch));
  },
  autoencoder: trainAutoencoder,
  efficientnet: async () => {
    const network = await EfficientNet.open(await obtainNetwork(), runtime);
    for (let i = 0; i < 2; i++)
      await network.run([batch, size, size, 3], new Uint8Array(batch * size * size * 3));
  },
  inception: async () => {
    const network = await InceptionNetwork.open(inceptionStem(), 'stem', runtime);
    for (let i = 0; i < 2; i++) await network.features(imagesOf(batch));
  },
  kernelDistance: async () => {
    await storedKernelDistance(rowsOf(batch), rowsOf(50 * batch), runtime);
  },
  precisionRecall: async () => {
    await storedPrecisionRecall(rowsOf(batch), rowsOf(batch), runtime);
  },
};
const coding = { size, images: batch, memoryMiB };
const expected: Readonly<Record<Asked['work'], () => number>> = {
  encode: () => gpuCodingMemory(config, { work: 'encode', ...coding }),
  decode: () => gpuCodingMemory(config, { work: 'decode', ...coding }),
  autoencoder: () => gpuAutoencoderMemory(config, size, batch, false),
  efficientnet: () => efficientNetGpuMemory(batch),
  // Weights of the whole are not there.
  inception: () => inceptionGpuMemory(batch, 0),
  kernelDistance: () => comparingGpuMemory('kernelDistance', size),
  precisionRecall: () => comparingGpuMemory('precisionRecall', size),
};
await works[work]();
const told: Measured = { peak: gpuMemory()!.peak, expected: expected[work]() };
process.stdout.write(JSON.stringify(told));
process.exit(0);

/** Takes steps of a training as the stage does, and reconstructs images beside what it keeps. */
async function trainAutoencoder(): Promise<void> {
  const parameters = autoencoderParameters(config).map((each) => ({ ...each, initial: zeros }));
  const inputs = {
    images: imagesOf(batch),
    noiseKey: streamKey(0, 'noise', 0),
    firstSample: int32([1], Int32Array.of(0)),
  };
  const trainer = openTrainer(openSession(runtime), {
    parameters,
    inputs,
    loss: ({ images, noiseKey, firstSample }, weights) => {
      const batch = {
        images: images as Tensor4D,
        noiseKey: noiseKey as Tensor1D,
        firstSample: firstSample as Tensor1D,
      };
      return autoencoderLoss(weights, config, batch, 1e-6);
    },
    optimizer: { betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0 },
    averageDecays: [0.999],
    gradientClip: 1,
  });
  await trainer.start(initialValues(parameters, 0));
  for (let step = 0; step < 2; step++) await trainer.step(inputs, 1e-4, step);
  const autoencoder = await zeroAutoencoder();
  await autoencoder.encode(imagesOf(reconstructedImages));
  await autoencoder.decode(latentsOf(reconstructedImages));
}

/** An autoencoder with weights of zeros, which take no room on the disk. */
async function zeroAutoencoder(): Promise<Autoencoder> {
  const directory = join(tmpdir(), `zeros-${randomUUID()}`);
  await mkdir(directory);
  let end = 0;
  const entries = autoencoderParameters(config).map(({ name, shape }) => {
    const start = end;
    end += 4 * sizeOf(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = await open(join(directory, 'weights.safetensors'), 'w');
  await file.write(Buffer.concat([length, header]));
  await file.truncate(8 + header.length + end);
  await file.close();
  await writeSavedAutoencoder(directory, { config, weights: 'weights.safetensors' });
  const autoencoder = await Autoencoder.open(directory, runtime, memoryMiB);
  await rm(directory, { recursive: true });
  return autoencoder;
}
