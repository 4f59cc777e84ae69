import { join } from 'node:path';
import { capitalized } from '../base/format.js';
import { hasFile, type Html, html, inlinePicture, type ReportedStage, type Section } from './html.js';

const mostPixels = 2400;

/** The picture that a stage's summary names, whatever its kind. */
export async function pictureSection(stage: ReportedStage): Promise<Section | undefined> {
  const { picture: file } = stage.summary;
  if (typeof file !== 'string' || !file.endsWith('.png')) return undefined;
  const picture = await scrollingPicture(stage, file, `Picture made by the stage ${stage.stage}`);
  if (picture === undefined) return undefined;
  return { id: `picture-${stage.stage}`, title: capitalized(stage.kind), stage: stage.stage, body: picture };
}

/** A picture that keeps its size where it is wider than the page: it is then scrolled in its own frame. */
export async function scrollingPicture(
  stage: ReportedStage,
  file: string,
  alt: string,
): Promise<Html | undefined> {
  if (!(await hasFile(stage, file))) return undefined;
  const { width, height, source } = await inlinePicture(join(stage.directory, file), mostPixels);
  return html`<div class="frame" role="group" aria-label="${alt}" tabindex="0">
    <img src="${source}" width="${width}" height="${height}" alt="${alt}" />
  </div>`;
}
