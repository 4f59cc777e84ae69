import type { ReportedStage, Section } from '../../../pages/section.js';
import { curvesSection } from './curves.js';
import { evaluationSection } from './evaluation.js';
import { imagesSection } from './images.js';
import { pictureSection, reconstructionsSection } from './pictures.js';
import { progressionSection } from './progression.js';
import { samplesSection } from './samples.js';
import { switchingSection } from './switching.js';

const progression: View = { rank: 3, build: progressionSection };

/** Views of a stage, by kind. A kind that is not listed shows the picture that its summary names. */
const views: Readonly<Record<string, readonly View[] | undefined>> = {
  evaluate: [
    { rank: 0, build: evaluationSection },
    { rank: 4, build: pictureSection },
  ],
  sample: [
    { rank: 1, build: samplesSection },
    { rank: 2, build: switchingSection },
  ],
  autoencoder: [{ rank: 3, build: reconstructionsSection }],
  train: [progression, { rank: 4, build: pictureSection }],
  images: [{ rank: 6, build: imagesSection }],
};
const otherwise: readonly View[] = [{ rank: 4, build: pictureSection }];
const curvesRank = 5;

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
  return build(stage, views[stage.kind] ?? otherwise);
}

/** The sections about a stage that is not finished: what it has shown on its way. */
export async function sectionsOfUnfinished(stage: ReportedStage): Promise<RankedSection[]> {
  return build(stage, stage.kind === 'train' ? [progression] : []);
}

async function build(stage: ReportedStage, views: readonly View[]): Promise<RankedSection[]> {
  const sections = await Promise.all(
    views.map(async (view) => {
      const section = await view.build(stage);
      return section === undefined ? [] : [{ ...section, rank: view.rank }];
    }),
  );
  const curves = curvesSection(stage);
  return [...sections.flat(), ...(curves ? [{ ...curves, rank: curvesRank }] : [])];
}
