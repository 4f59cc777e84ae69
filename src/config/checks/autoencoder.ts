import { counted } from '../../words.js';
import { code } from '../diagnostics/words.js';
import type { StageCheck } from './context.js';

/** Halvings between resolutions may not go beyond what `downsample` asks for. */
export const widthsPerResolution: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if ('weights' in config) return;
  const most = Math.log2(config.downsample) + 1;
  if (config.channels.length <= most) return;
  context.report(id, {
    at: 'channels',
    code: 'wrong-length',
    message: `${code('channels')} must have at most ${counted(most, 'width')} for ${code(`downsample: ${config.downsample}`)}: one for the finest resolution and one for each halving; ${config.channels.length} found.`,
  });
};

export const widthsInGroups: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if ('weights' in config) return;
  for (const [i, width] of config.channels.entries()) {
    if (width % config.normGroups === 0) continue;
    context.report(id, {
      at: `channels.${i}`,
      code: 'size-not-divisible',
      message: `${counted(width, 'channel')} cannot be divided into ${counted(config.normGroups, 'group')} (${code('normGroups')}).`,
      remedy: nearestMultiples(width, config.normGroups),
    });
  }
};

/** The images that the autoencoder is trained on become latents of whole pixels. */
export const imagesHalve: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if ('weights' in config) return;
  const size = context.config('images', config.images)?.size;
  if (size === undefined || size % config.downsample === 0) return;
  context.report(id, {
    at: 'downsample',
    code: 'size-not-divisible',
    message: `Images of ${counted(size, 'pixel')} cannot be divided by ${code(`downsample: ${config.downsample}`)}.`,
    remedy: `For ${code('size')}: ${nearestMultiples(size, config.downsample)}`,
    because: `stages.${config.images}.size`,
  });
};

/** "Near it are 24 and 32." */
export function nearestMultiples(value: number, factor: number): string {
  const below = Math.floor(value / factor) * factor;
  const near = [below, below + factor].filter((multiple) => multiple > 0);
  return near.length === 1 ? `The nearest is ${near[0]!}.` : `The nearest are ${near.join(' and ')}.`;
}
