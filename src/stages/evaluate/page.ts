import { capitalized } from '../../base/format.js';
import { figuresOf } from '../../pages/figures.js';
import type { ReportedStage, Section } from '../../pages/html.js';
import { type KindPage, picture } from '../../pages/kinds.js';
import { table } from '../../pages/table.js';

export const page: KindPage = { sections: [{ rank: 0, build: evaluationSection }, picture] };

/** Section with the metrics of samples. */
function evaluationSection(stage: ReportedStage): Section | undefined {
  const figures = figuresOf(stage);
  if (figures.length === 0) return undefined;
  return {
    id: `evaluation-${stage.stage}`,
    title: 'Evaluation',
    stage: stage.stage,
    body: table({
      kind: 'figures',
      columns: ['Figure', 'Value'],
      rows: figures.map(({ label, value }) => [capitalized(label), value]),
    }),
  };
}
