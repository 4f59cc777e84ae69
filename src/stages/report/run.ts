import { join } from 'node:path';
import { concat, defer, from, map, mergeMap, type Observable, tap } from 'rxjs';
import { writeFileWhole } from '../../base/output-file.js';
import { prefetch } from '../../base/prefetch.js';
import { abortable, progress } from '../../base/streams.js';
import type { ReportConfig } from '../../generated/index.js';
import { html, readReportedStage, type ReportedStage } from '../../pages/html.js';
import { type KindPages, type RankedSection, sectionsOf } from '../../pages/kinds.js';
import { renderPage } from '../../pages/page.js';
import { pipelineSection, totals } from '../../pages/pipeline-section.js';
import { stagesSection } from '../../pages/stages-section.js';
import type { StageContext, StageEvent, StageOutput } from '../../runner/stage.js';

const page = 'report.html';

/** Stages whose pictures are read at once. */
const stagesAtOnce = 2;

/** Writes one self-contained page about other stages. */
export function run(
  config: ReportConfig,
  context: StageContext,
  loadPages: () => Promise<KindPages>,
): Observable<StageEvent> {
  return from(loadPages()).pipe(
    mergeMap((pages) => report(config, context, pages)),
    abortable(context.signal),
  );
}

interface Chapter {
  readonly stage: ReportedStage;
  readonly sections: readonly RankedSection[];
}

function report(config: ReportConfig, context: StageContext, pages: KindPages): Observable<StageEvent> {
  const outputs = config.stages.map((id) => context.input(id));
  const chapters: Chapter[] = [];
  return concat(
    prefetch(outputs, stagesAtOnce, (output) => readChapter(output, outputs, pages)).pipe(
      tap((chapter) => chapters.push(chapter)),
      progress({ total: outputs.length, unit: 'stages' }),
    ),
    defer(() => from(writePage(chapters, pages, config, context))).pipe(
      map((): StageEvent => ({ type: 'summary', values: { page } })),
    ),
  );
}

async function readChapter(
  output: StageOutput,
  all: readonly StageOutput[],
  pages: KindPages,
): Promise<Chapter> {
  const stage = await readReportedStage(output, all);
  return { stage, sections: await sectionsOf(stage, pages) };
}

function writePage(
  chapters: readonly Chapter[],
  pages: KindPages,
  { title }: ReportConfig,
  context: StageContext,
) {
  const stages = chapters.map(({ stage }) => stage);
  const text = renderPage({
    title: title ?? context.pipelineName,
    eyebrow: html`Pipeline <bdi>${context.pipelineName}</bdi>`,
    totals: totals(stages, pages),
    sections: [
      pipelineSection(stages),
      ...chapters.flatMap(({ sections }) => sections).toSorted((a, b) => a.rank - b.rank),
      stagesSection(stages),
    ],
  });
  return writeFileWhole(join(context.directory, page), text);
}
