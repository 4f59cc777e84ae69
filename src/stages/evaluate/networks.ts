import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readInput, sha256Of } from '../../base/input-file.js';
import { pixelsOf } from '../../data/images/rgb-image.js';
import { EfficientNet } from '../../metrics/efficientnet.js';
import { spatialWidth } from '../../metrics/gpu-memory.js';
import { InceptionNetwork, latentFeatures, type Rows } from '../../metrics/index.js';
import type { StageContext, StageOutput } from '../../runner/stage.js';
import { engineKind, float32, floats, type RuntimeOptions } from '../../tensorflow/index.js';
import { featureNetwork, obtainNetwork } from '../../tensorflow/install/feature-network.js';
import type { SetupReport } from '../../tensorflow/install/wheel-source.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { identities, latentWidth, type NetworkName } from './figures.js';
import type { ImageSet, SetBatch } from './image-set.js';

/** Features by name, a row an image. */
export type Features = Readonly<Record<string, Rows>>;

/** Network that turns images into features. Close it after use. */
export interface FeatureNetwork {
  readonly name: NetworkName;
  /** Name of its features that figures other than distances compare. */
  readonly main: string;
  /** SHA-256 of its file, where it has one. */
  readonly sha256?: string;
  /** Probabilities of classes, where figures need them. */
  readonly probabilities?: (features: Rows) => Promise<Rows>;
  /** Text on which its features depend, beside the images. */
  readonly identity: string;
  /** Numbers of each kind of feature. */
  readonly widths: Readonly<Record<string, number>>;
  readonly features: (batch: SetBatch, holds: ImageSet['holds']) => Promise<Features>;
  readonly close: () => Promise<void>;
}

/** A side of the images that the network is tried on. */
const triedSide = 64;

/**
 * The Inception network of a file.
 *
 * @throws UserError `inception-invalid`, `inception-checksum`, `native-needed`
 */
export async function openInception(
  path: string,
  sha256: string | undefined,
  runtime: RuntimeOptions,
): Promise<FeatureNetwork> {
  if (engineKind() !== 'native')
    throw new UserError({
      code: 'native-needed',
      message: 'The Inception graph runs only in the native TensorFlow, which is not in use.',
      remedy: '`npx pipeline doctor` shows what is missing, and how to get it.',
    });
  const bytes = await readInput(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  const found = sha256Of(bytes);
  if (sha256 !== undefined && found !== sha256)
    throw new UserError({
      code: 'inception-checksum',
      message: `${path}: its SHA-256 is ${found}, not ${sha256}.`,
      remedy: 'Get the file again, or correct `inceptionSha256`.',
    });
  const network = await InceptionNetwork.open(bytes, path, runtime);
  const features = async ({ shape, data }: SetBatch): Promise<Features> => ({
    ...(await network.features(float32(shape, Float32Array.from(data)))),
  });
  try {
    const blank = { shape: [1, triedSide, triedSide, 3], data: new Uint8Array(triedSide ** 2 * 3) } as const;
    const widths = widthsOf(await features(blank));
    return {
      name: 'inception',
      main: 'pooled',
      identity: identities.inception(found),
      sha256: found,
      widths,
      features,
      probabilities: (rows) => network.probabilities(rows),
      close: () => network.close(),
    };
  } catch (error) {
    await network.close();
    throw error;
  }
}

/**
 * EfficientNet-Lite0 with its public weights of ImageNet, fetched where they are not yet there.
 *
 * @throws UserError `network-download-failed`
 */
export async function openEfficientNet(
  runtime: RuntimeOptions,
  report: SetupReport,
  signal: AbortSignal,
): Promise<FeatureNetwork> {
  const network = await EfficientNet.open(await obtainNetwork(report, signal), runtime);
  return {
    name: 'efficientnet',
    main: 'efficientnet',
    sha256: featureNetwork.sha256,
    identity: identities.efficientnet(),
    widths: { efficientnet: EfficientNet.width },
    features: async ({ shape, data }) => ({
      efficientnet: (await network.run(shape, data as Uint8Array)).pooled,
    }),
    close: () => network.close(),
  };
}

/**
 * Features of the same network at the places of an image, resized to a grid.
 *
 * @throws UserError `network-download-failed`
 */
export async function openSpatialFeatures(
  grid: number,
  runtime: RuntimeOptions,
  report: SetupReport,
  signal: AbortSignal,
): Promise<FeatureNetwork> {
  const network = await EfficientNet.open(await obtainNetwork(report, signal), runtime);
  return {
    name: 'efficientnet',
    main: 'places',
    identity: `efficientnet places ${grid} ${featureNetwork.sha256}`,
    widths: { places: grid ** 2 * spatialWidth },
    features: async ({ shape, data }) => ({ places: await network.spatial(shape, data as Uint8Array, grid) }),
    close: () => network.close(),
  };
}

/** The encoder of an `autoencoder` stage, and what is taken of its latents. */
export async function openLatentNetwork(
  { directory, fingerprint }: StageOutput,
  grid: number,
  runtime: StageContext['runtime'],
): Promise<FeatureNetwork> {
  const autoencoder = await Autoencoder.open(directory, runtime);
  return {
    name: 'latents',
    main: 'latent',
    identity: identities.latents(fingerprint, grid),
    widths: { latent: latentWidth(autoencoder.config.latentChannels, grid) },
    features: async ({ shape, data }, holds) => {
      if (holds === 'latents') return { latent: latentFeatures(float32(shape, data as Float32Array), grid) };
      const { mean } = await autoencoder.encode(float32(shape, pixelsOf(data as Uint8Array)));
      return { latent: latentFeatures(float32(mean.shape, floats(mean)), grid) };
    },
    close: () => autoencoder.close(),
  };
}

function widthsOf(features: Features): Record<string, number> {
  return Object.fromEntries(Object.entries(features).map(([name, { width }]) => [name, width]));
}
