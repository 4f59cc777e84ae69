import { join } from 'node:path';
import { readInputText } from '../../base/input-file.js';
import { writeFileWhole } from '../../base/output-file.js';
import type { EvaluateConfig } from '../../generated/index.js';
import type { PlannedInput, StageOutput, StageTiming } from '../../runner/stage.js';
import { plannedAutoencoderModel, plannedImages, type Resolve } from '../shared/planned.js';
import { type StoredBy, storedImages } from './feature-files.js';
import { identities, latentWidth, type NetworkName, neededNetworks, widths, workName } from './figures.js';

/** Images whose features one session of the stage computed by each network, and how long that took. */
export type FeatureWork = Partial<Record<NetworkName, { readonly images: number; readonly seconds: number }>>;

/** Writes the work of an evaluation into its output. */
export async function writeFeatureWork(directory: string, work: FeatureWork): Promise<void> {
  await writeFileWhole(join(directory, workName), `${JSON.stringify(work, undefined, 1)}\n`);
}

/** Work of an evaluation by the networks that it needs: images whose features are not stored from before. */
export async function evaluateTiming(
  config: EvaluateConfig,
  resolve: Resolve,
  made?: Pick<StageOutput, 'directory'>,
): Promise<StageTiming | undefined> {
  const { metrics, features, latentGrid } = config;
  const sides = sidesOf(config, resolve);
  const like = { metrics, features, latentGrid, images: sides?.[1]?.count };
  if (made !== undefined) {
    const amount = await workOf(made, ({ images }) => images);
    return amount && { amount, like };
  }
  if (sides === undefined) return { like };
  const amount: Partial<Record<NetworkName, number>> = {};
  for (const name of neededNetworks(config)) {
    const network = await storedBy(name, config, resolve);
    let images = 0;
    for (const { count, fingerprint } of sides) {
      const isKnown = network !== undefined && fingerprint !== undefined;
      images +=
        count - (isKnown ? Math.min(count, await storedImages(network, { identity: fingerprint })) : 0);
    }
    amount[name] = images;
  }
  return { amount, like };
}

/** Seconds of an image by each network, as an output recorded it. */
export const unitSeconds = (output: Pick<StageOutput, 'directory'>) =>
  workOf(output, ({ images, seconds }) => (images > 0 ? seconds / images : undefined));

/** A number of each network's work, as an output recorded it; undefined where it did not. */
async function workOf(
  { directory }: Pick<StageOutput, 'directory'>,
  number: (work: Required<FeatureWork>[NetworkName]) => number | undefined,
): Promise<Readonly<Record<string, number>> | undefined> {
  const all = await readInputText(join(directory, workName))
    .then((text) => JSON.parse(text) as FeatureWork)
    .catch(() => undefined);
  if (all === undefined) return undefined;
  const numbers = Object.entries(all).flatMap(([name, work]) => {
    const found = number(work);
    return found === undefined ? [] : [[name, found] as const];
  });
  return Object.fromEntries(numbers);
}

/** A set of images to compare, as far as it is known before anything runs. */
interface Side {
  readonly count: number;
  readonly fingerprint: string | undefined;
}

/** Samples and their reference; undefined where it is not known how many images they are. */
export function sidesOf(
  { samples, reference }: Pick<EvaluateConfig, 'samples' | 'reference'>,
  resolve: Resolve,
): readonly [samples: Side, reference: Side] | undefined {
  if (samples === undefined || reference === undefined) return undefined;
  const [drawn, real] = [sideOf(samples, resolve), sideOf(reference, resolve)];
  return drawn && real && [drawn, real];
}

function sideOf(id: string, resolve: Resolve): Side | undefined {
  const { kind, config, fingerprint, output, foreseen } = resolve(id);
  const count =
    kind === 'sample'
      ? (config as { readonly count: number }).count
      : kind === 'images'
        ? plannedImages(id, resolve).count
        : ((output?.summary ?? foreseen)?.latents as number | undefined);
  return count === undefined ? undefined : { count, fingerprint: output?.fingerprint ?? fingerprint };
}

/** Facts that a network's stored features go by; undefined where that is not known before anything runs. */
async function storedBy(
  name: NetworkName,
  { autoencoder, latentGrid, inceptionSha256 }: EvaluateConfig,
  resolve: Resolve,
): Promise<StoredBy | undefined> {
  if (name === 'efficientnet')
    return { identity: identities.efficientnet(), widths: { efficientnet: widths.efficientnet } };
  if (name === 'inception')
    return inceptionSha256 === undefined
      ? undefined
      : { identity: identities.inception(inceptionSha256), widths: { pooled: widths.inception } };
  const { fingerprint, output }: PlannedInput = resolve(autoencoder!);
  const model = await plannedAutoencoderModel(autoencoder!, resolve);
  const of = output?.fingerprint ?? fingerprint;
  if (model === undefined || of === undefined) return undefined;
  return {
    identity: identities.latents(of, latentGrid),
    widths: { latent: latentWidth(model.latentChannels, latentGrid) },
  };
}
