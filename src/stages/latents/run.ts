import { join, resolve } from 'node:path';
import type { Observable } from 'rxjs';
import { writeFileWhole } from '../../base/output-file.js';
import { UserError } from '../../base/errors.js';
import { expandLocation, locationOf } from '../../base/patterns.js';
import { abortable, everyMs, fromWork } from '../../base/streams.js';
import { canonicalName, nameClasses, sortedClasses } from '../../data/images/class-names.js';
import { onlyClass } from '../../data/images/walk.js';
import { type ForeignLatents, openForeignLatents } from '../../data/latents/foreign.js';
import { readForeign, writeForeignLabels } from '../../data/latents/foreign-rows.js';
import { indexName, latentStatistics, writeIndex } from '../../data/latents/format.js';
import type { ChannelSums, LatentIndex, LatentStatistics } from '../../data/latents/format.js';
import type { LatentsConfig } from '../../generated/index.js';
import type { StageContext, StageEvent } from '../../runner/stage.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { filesName } from './files.js';

/** Reads every latent of another program once, for their statistics, and leaves an index of them. */
export function run(config: LatentsConfig, context: StageContext): Observable<StageEvent> {
  return fromWork<StageEvent>(async (tell, signal) => {
    const location = locationOf(config.path, context.pipelineDirectory);
    const places = expandLocation(location);
    if (places.missing.length > 0)
      throw new UserError({
        code: 'latents-missing',
        message: `${location}: there are no such latents.`,
        remedy: 'Correct the path; in a pipeline file it is relative to that file.',
      });
    const latents = await openForeignLatents(places);
    try {
      for (const event of await take(latents, config, context, tell, signal)) tell(event);
    } finally {
      await latents.close();
    }
  }).pipe(everyMs(100), abortable<StageEvent>(context.signal));
}

async function take(
  latents: ForeignLatents,
  config: LatentsConfig,
  context: StageContext,
  tell: (event: StageEvent) => void,
  signal: AbortSignal,
): Promise<StageEvent[]> {
  const { directory, pipelineDirectory } = context;
  const { count, form, files } = latents;
  const [channels, height, width] = latents.shape;
  const { normalization: asked, latentChannels } = await decoderOf(config, context);
  if (latentChannels !== channels)
    throw new UserError({
      code: 'autoencoder-mismatch',
      message: `The latents at ${config.path} have ${channels} channels; those of ${config.autoencoder} have ${latentChannels}.`,
      remedy: 'Name the autoencoder that made them.',
    });
  const { names, ids } = await classesIn(latents, config);
  const labelOf = new Map(ids.map((id, label) => [id, label]));
  const classes =
    config.classNames === undefined
      ? ids
      : await nameClasses(resolve(pipelineDirectory, config.classNames), ids);
  const isFlippable = config.flips && latents.isFlippable;
  const shape = [height, width, channels] as const;
  const sums = newSums(channels);
  for (let done = 0; done < count;) {
    await addLatent(sums, latents, { index: done, scale: config.scale, isFlippable });
    signal.throwIfAborted();
    tell({ type: 'progress', done: ++done, total: count, unit: 'latents' });
  }
  const statistics = latentStatistics([{ count, sums }], { shape });
  const normalization = ownNormalization(latents, config.scale) ?? asked ?? statistics;
  await writeForeignLabels(
    directory,
    Int32Array.from(names, (name) => labelOf.get(name)!),
  );
  await writeFileWhole(join(directory, filesName), JSON.stringify(files) + '\n');
  const index: LatentIndex = {
    ...{ shape, dtype: 'float32', classes, shardSize: count, count, statistics, normalization, shards: [] },
    foreign: { scale: config.scale, isFlippable },
  };
  await writeIndex(directory, indexName, index);
  const values = {
    ...{ latents: count, form, shape, classes, mirrored: isFlippable },
    perClass: countsOf(names.map((name) => classes[labelOf.get(name)!]!)),
    ...{ mean: statistics.mean, std: statistics.std },
  };
  return [{ type: 'summary', values }];
}

function countsOf(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries(counts);
}

async function decoderOf({ autoencoder }: LatentsConfig, context: StageContext) {
  const opened = await Autoencoder.open(context.input(autoencoder).directory, context.runtime);
  try {
    return { normalization: opened.normalization, latentChannels: opened.config.latentChannels };
  } finally {
    await opened.close();
  }
}

/** Normalization that files beside the latents state, for latents that are not multiplied. */
function ownNormalization(
  { normalization: own, shape: [channels] }: ForeignLatents,
  scale: number,
): LatentStatistics | undefined {
  if (own === undefined) return undefined;
  if (own.mean.length !== channels || own.std.length !== channels)
    throw new UserError({
      code: 'foreign-latents-invalid',
      message: `The statistics beside the latents are of ${own.mean.length} channels, the latents have ${channels}.`,
      remedy: 'Make or copy the latents again.',
    });
  return { mean: own.mean.map((value) => value / scale), std: own.std.map((value) => value / scale) };
}

/** Class of each latent, and the ids of all classes in order. */
export async function classesIn(latents: ForeignLatents, { labels }: Pick<LatentsConfig, 'labels'>) {
  const names =
    labels === 'none'
      ? new Array<string>(latents.count).fill(onlyClass)
      : (await latents.classNames()).map(canonicalName);
  return { names, ids: sortedClasses(new Set(names)) };
}

/** Sums over straight latents, by channel. */
interface RunningSums extends ChannelSums {
  readonly first: number[];
  readonly second: number[];
}

export const newSums = (channels: number): RunningSums => ({
  first: new Array<number>(channels).fill(0),
  second: new Array<number>(channels).fill(0),
});

/** Adds a latent to the sums. It must be finite, as must its mirror image where there is one. */
export async function addLatent(
  { first, second }: RunningSums,
  latents: ForeignLatents,
  {
    index,
    scale,
    isFlippable,
  }: { readonly index: number; readonly scale: number; readonly isFlippable: boolean },
): Promise<void> {
  const [channels] = latents.shape;
  for (const flipped of isFlippable ? [true, false] : [false]) {
    const { mean, std } = await readForeign(latents, scale, index, flipped);
    if (!mean.every((value) => Number.isFinite(value)) || !std.every((value) => Number.isFinite(value)))
      throw new UserError({
        code: 'latents-not-finite',
        message: `Latent ${index}${flipped ? ', mirrored,' : ''} has values that are not finite.`,
        remedy: 'Encode the images again.',
      });
    if (flipped) continue;
    for (let at = 0; at < mean.length; at++) {
      first[at % channels]! += mean[at]!;
      second[at % channels]! += mean[at]! ** 2 + std[at]! ** 2;
    }
  }
}
