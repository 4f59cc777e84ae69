import { join } from 'node:path';
import { concat, defer, from, map, type Observable, tap } from 'rxjs';
import { writeFileWhole } from '../../base/output-file.js';
import { prefetch } from '../../base/prefetch.js';
import { abortable, progress } from '../../base/streams.js';
import type { ReportConfig } from '../../generated/index.js';
import { html } from '../../pages/html.js';
import { renderPage } from '../../pages/page.js';
import { readReportedStage, type ReportedStage } from '../../pages/section.js';
import type { StageContext, StageEvent, StageOutput } from '../../runner/stage.js';
import { type RankedSection, sectionsOf } from './sections/index.js';
import { pipelineSection, totals } from './sections/pipeline.js';
import { stagesSection } from './sections/stages.js';

const page = 'report.html';

/** Stages whose pictures are read at once. */
const stagesAtOnce = 2;

/** Writes one self-contained page about other stages. */
export function run(config: ReportConfig, context: StageContext): Observable<StageEvent> {
  return defer(() => report(config, context)).pipe(abortable(context.signal));
}

interface Chapter {
  readonly stage: ReportedStage;
  readonly sections: readonly RankedSection[];
}

function report(config: ReportConfig, context: StageContext): Observable<StageEvent> {
  const outputs = config.stages.map((id) => context.input(id));
  const chapters: Chapter[] = [];
  return concat(
    prefetch(outputs, stagesAtOnce, (output) => readChapter(output, outputs)).pipe(
      tap((chapter) => chapters.push(chapter)),
      progress({ total: outputs.length, unit: 'stages' }),
    ),
    defer(() => from(writePage(chapters, config, context))).pipe(
      map((): StageEvent => ({ type: 'summary', values: { page } })),
    ),
  );
}

async function readChapter(output: StageOutput, all: readonly StageOutput[]): Promise<Chapter> {
  const stage = await readReportedStage(output, all);
  return { stage, sections: await sectionsOf(stage) };
}

function writePage(chapters: readonly Chapter[], { title }: ReportConfig, context: StageContext) {
  const stages = chapters.map(({ stage }) => stage);
  const text = renderPage({
    title: title ?? context.pipelineName,
    eyebrow: html`Pipeline <bdi>${context.pipelineName}</bdi>`,
    totals: totals(stages),
    sections: [
      pipelineSection(stages),
      ...chapters.flatMap(({ sections }) => sections).toSorted((a, b) => a.rank - b.rank),
      stagesSection(stages),
    ],
  });
  return writeFileWhole(join(context.directory, page), text);
}
