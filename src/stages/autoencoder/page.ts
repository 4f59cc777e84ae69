import { figure } from '../../pages/figures.js';
import { html, type ReportedStage, type Section } from '../../pages/html.js';
import { type KindPage, scrollingPicture } from '../../pages/kinds.js';

export const page: KindPage = { sections: [{ rank: 3, build: reconstructionsSection }] };

/** Originals above what an autoencoder made of them. */
async function reconstructionsSection(stage: ReportedStage): Promise<Section | undefined> {
  const picture = await scrollingPicture(
    stage,
    'reconstructions.png',
    'Pairs of rows: images in the upper row, their reconstructions in the lower one',
  );
  const psnr = stage.summary.peakSignalToNoiseDb;
  if (picture === undefined) return undefined;
  return {
    id: `reconstructions-${stage.stage}`,
    title: 'Reconstructions',
    stage: stage.stage,
    lead: [
      'Upper row of each pair: the image. Lower row: what is left of it after the latents.',
      typeof psnr === 'number' &&
        html` <strong>${figure('peakSignalToNoiseDb', psnr).value}</strong> peak signal-to-noise.`,
    ],
    body: picture,
  };
}
