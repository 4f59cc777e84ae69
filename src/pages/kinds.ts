import { join } from 'node:path';
import { capitalized } from '../base/format.js';
import type { RgbImage } from '../data/images/rgb-image.js';
import type { StageKind } from '../runner/stage.js';
import { curvesSection } from './curves-section.js';
import { hasFile, type Html, html, inlinePicture, type ReportedStage, type Section } from './html.js';

/** A kind of stage with what pages show of its stages. A kind that declares nothing shows the picture that its summary names. */
export interface ShownKind<Config> extends StageKind<Config> {
  /** Loaded when a page is made. */
  readonly page?: () => Promise<KindPage>;
}

/** The part of pages that a kind of stage decides on: its sections, and a total. */
export interface KindPage {
  readonly sections: readonly KindSection[];
  /** Path, in the output's folder, of the file that changes whenever there is another picture while it is made. */
  readonly growsWith?: string;
  /** Its pictures, where they may stand beside those of another run. */
  readonly pictures?: (stage: ReportedStage) => Promise<ComparedPictures | undefined>;
  /** Name of a number in the summary that pages add up over all stages of the kind, such as `images`. */
  readonly total?: string;
}

/** Pictures that tell stages of several runs apart: the same number is the same noise, where the seed is. */
export interface ComparedPictures {
  /** Title of the section in which they stand side by side. */
  readonly title: string;
  /** Name of what each picture shows, such as its class. */
  readonly names: readonly string[];
  /** One, or one for each step of a training that drew them, ascending. */
  readonly frames: readonly PictureFrame[];
}

interface PictureFrame {
  readonly step?: number;
  /** The pictures of these numbers, each as its pixels or as the bytes of a file. */
  readonly tiles: (numbers: readonly number[]) => Promise<readonly (RgbImage | Uint8Array)[]>;
}

export interface KindSection {
  /** Results come first, then how they came about: the lower, the further up the page. */
  readonly rank: number;
  /** True where there may be something to see before the stage is finished. */
  readonly fromTheStart?: boolean;
  readonly build: (stage: ReportedStage) => Promise<Section | undefined> | Section | undefined;
}

/** Pages of the kinds that declare one, by the kind's name. */
export type KindPages = ReadonlyMap<string, KindPage>;

/** The picture of a stage, for a kind that shows it beside other things. */
export const picture: KindSection = { rank: 4, build: pictureSection };
const curves: KindSection = { rank: 5, fromTheStart: true, build: curvesSection };

export interface RankedSection extends Section {
  readonly rank: number;
}

/** The sections about one stage; of one that is not finished, those that show what it has done so far. */
export async function sectionsOf(stage: ReportedStage, pages: KindPages): Promise<readonly RankedSection[]> {
  const declared = [...(pages.get(stage.kind)?.sections ?? [picture]), curves];
  const shown = declared.filter(({ fromTheStart }) => stage.isWhole || fromTheStart === true);
  const sections = await Promise.all(
    shown.map(async ({ rank, build }) => {
      const section = await build(stage);
      return section && { ...section, rank };
    }),
  );
  return sections.filter((section) => section !== undefined);
}

const mostPixels = 2400;

/** The picture that a stage's summary names, whatever its kind. */
async function pictureSection(stage: ReportedStage): Promise<Section | undefined> {
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
