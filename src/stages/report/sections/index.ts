import type { ReportedStage } from '../reported-stage.js';
import { curvesSection } from './curves.js';
import { imagesSection } from './images.js';
import { pictureSection, reconstructionsSection } from './pictures.js';
import { samplesSection } from './samples.js';
import type { Section } from './section.js';

/** What there is to see of a stage, by kind. A kind that is not listed shows the picture that its summary names. */
const views: Readonly<Record<string, View | undefined>> = {
  sample: { rank: 0, build: samplesSection },
  autoencoder: { rank: 1, build: reconstructionsSection },
  images: { rank: 4, build: imagesSection },
};
const otherwise: View = { rank: 2, build: pictureSection };
const curvesRank = 3;

interface View {
  /** Results come first, then how they came about: the lower, the further up the page. */
  readonly rank: number;
  readonly build: (stage: ReportedStage) => Promise<Section | undefined>;
}

export interface RankedSection extends Section {
  readonly rank: number;
}

/** The sections about one stage. */
export async function sectionsOf(stage: ReportedStage): Promise<RankedSection[]> {
  const { rank, build } = views[stage.kind] ?? otherwise;
  const view = await build(stage);
  const curves = curvesSection(stage);
  return [...(view ? [{ ...view, rank }] : []), ...(curves ? [{ ...curves, rank: curvesRank }] : [])];
}
