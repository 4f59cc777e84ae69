import { readConfiguration } from '../../pipeline/runs/configuration.js';
import type { Run } from '../../pipeline/runs/run.js';
import { type PageContent, renderPage, type Site } from '../../stages/report/page.js';
import { curvesSection } from '../../stages/report/sections/curves.js';
import { sectionsOf, sectionsOfUnfinished } from '../../stages/report/sections/index.js';
import { pipelineSection, totals } from '../../stages/report/sections/pipeline.js';
import type { Section } from '../../stages/report/sections/section.js';
import { stagesSection } from '../../stages/report/sections/stages.js';
import { formatDuration } from '../../stages/report/markup/format.js';
import { html } from '../../stages/report/markup/html.js';
import { configurationSection } from './configuration-section.js';
import { failureSection } from './failure-section.js';
import { runFactsSection } from './run-facts-section.js';
import { readRunStages, type RunStage } from './run-stages.js';
import { stateBadge } from './state-badge.js';

/** The page about one run, as the text of a file that needs no other. */
export async function runPage(run: Run, site?: Site): Promise<string> {
  const configuration = await readConfiguration(run);
  const stages = await readRunStages(run, configuration);
  const views = (
    await Promise.all(
      stages.map((stage) => (stage.isWhole ? sectionsOf(stage) : sectionsOfUnfinished(stage))),
    )
  )
    .flat()
    .toSorted((a, b) => a.rank - b.rank);
  const failure = await failureSection(run);
  return renderPage({
    ...head(run, stages),
    ...(site && { site }),
    sections: [
      ...(failure ? [failure] : []),
      pipelineSection(stages),
      ...views,
      ...(stages.length > 0 ? [stagesSection(stages)] : []),
      ...(configuration.length > 0 ? [configurationSection(configuration)] : []),
      runFactsSection(run),
    ],
  });
}

/** Those parts of the page that change while the run goes on, without its pictures: cheap enough for once a second. */
export async function liveParts(run: Run): Promise<{ head: Head; sections: readonly Section[] }> {
  const stages = await readRunStages(run, []);
  const curves = stages.filter((stage) => !stage.isWhole).flatMap((stage) => curvesSection(stage) ?? []);
  return { head: head(run, stages), sections: [pipelineSection(stages), ...curves] };
}

export type Head = Pick<PageContent, 'title' | 'eyebrow' | 'totals'>;

function head(run: Run, stages: readonly RunStage[]): Head {
  const time = run.id.slice(run.id.lastIndexOf('/') + 1);
  const whole = stages.filter(({ isWhole }) => isWhole);
  return {
    title: run.record.pipeline,
    eyebrow: html`Run <bdi>${time.replace(/\.\d+Z/, '')}</bdi> ${stateBadge(run.state)}`,
    totals: [
      { label: run.state === 'running' ? 'so far' : 'from start to end', value: formatDuration(run.seconds) },
      ...totals(whole),
    ],
  };
}
