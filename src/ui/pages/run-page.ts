import { realpath, stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { readWholeText } from '../../base/files.js';
import { asText, formatDuration } from '../../base/format.js';
import { curvesSection } from '../../pages/curves-section.js';
import { html, type ReportedStage, type Section } from '../../pages/html.js';
import { type KindPages, sectionsOf } from '../../pages/kinds.js';
import { type PageContent, renderPage, type Site } from '../../pages/page.js';
import { pipelineSection, totals } from '../../pages/pipeline-section.js';
import { damageSentence, type TellDamaged } from '../../base/sealed.js';
import { stagesSection } from '../../pages/stages-section.js';
import { type RowGroup, table } from '../../pages/table.js';
import { type ConfiguredValue, formatOrigin, readConfiguration } from '../../runner/runs/configuration.js';
import type { Run } from '../../runner/runs/run.js';
import { kindPages } from '../../stages/registry.js';
import { noteMarkup, readRunStages, startOf, stateBadge } from './run-stages.js';

/** The page about one run, as the text of a file that needs no other. */
export async function runPage(run: Run, site?: Site): Promise<string> {
  const damage: string[] = [];
  const tell: TellDamaged = (...found) => damage.push(damageSentence(...found));
  const configuration = await readConfiguration(run, tell);
  const stages = await readRunStages(run, configuration, tell);
  const pages = await kindPages();
  const ofStages = (await Promise.all(stages.map((stage) => sectionsOf(stage, pages)))).flat();
  const failure = await failureSection(run);
  return renderPage({
    ...head(run, stages, pages),
    ...(site && { site }),
    sections: [
      ...(failure ? [failure] : []),
      ...(damage.length > 0 ? [damageSection(damage)] : []),
      pipelineSection(stages),
      ...ofStages.toSorted((a, b) => a.rank - b.rank),
      ...(stages.length > 0 ? [stagesSection(stages)] : []),
      ...(configuration.length > 0 ? [configurationSection(configuration)] : []),
      runFactsSection(run),
    ],
  });
}

/** Parts of the page that change while the run goes on: cheap enough for once a second. */
export async function liveParts(run: Run): Promise<{ head: Head; sections: readonly Section[] }> {
  const stages = await readRunStages(run, []);
  const pages = await kindPages();
  const open = stages.filter((stage) => !stage.isWhole && stage.directory !== '');
  const ofStages = await Promise.all(open.map((stage) => growingSections(stage, pages)));
  return { head: head(run, stages, pages), sections: [pipelineSection(stages), ...ofStages.flat()] };
}

/** Sections with pictures of stages that are being made, by folder, as of when the index of their pictures changed. */
const drawn = new Map<string, { readonly changed: number; readonly sections: readonly Section[] }>();

/** Sections of a stage that is being made, as far as it is. Pictures are read when there are others than before. */
async function growingSections(stage: ReportedStage, pages: KindPages): Promise<readonly Section[]> {
  const curves = curvesSection(stage);
  const index = pages.get(stage.kind)?.growsWith;
  if (index === undefined) return curves ? [curves] : [];
  const found = await stat(join(stage.directory, index)).catch(() => undefined);
  const changed = found?.mtimeMs ?? 0;
  let known = drawn.get(stage.directory);
  if (known?.changed !== changed) {
    const all = await sectionsOf(stage, pages);
    known = { changed, sections: all.filter(({ id }) => id !== curves?.id) };
    drawn.set(stage.directory, known);
  }
  return [...known.sections, ...(curves ? [curves] : [])];
}

export type Head = Pick<PageContent, 'title' | 'eyebrow' | 'totals'>;

function head(run: Run, stages: readonly ReportedStage[], pages: KindPages): Head {
  const whole = stages.filter(({ isWhole }) => isWhole);
  return {
    title: run.record.pipeline,
    eyebrow: html`Run <bdi>${startOf(run)}</bdi> ${stateBadge(run.state)} ${noteMarkup(run.note)}`,
    totals: [
      { label: run.state === 'running' ? 'so far' : 'from start to end', value: formatDuration(run.seconds) },
      ...totals(whole, pages),
    ],
  };
}

/** Lines of the log that are shown, from its end. */
const logLines = 40;

/**
 * Section about a failure: what went wrong, what to do, and the end of the stage's log; undefined for a run that did
 * not fail.
 */
export async function failureSection({ state, stage, record, directory }: Run): Promise<Section | undefined> {
  if ((state !== 'failed' && state !== 'died') || stage === undefined) return undefined;
  const failure = record.stages[stage]?.failure;
  const log = await readLog(directory, `${stage}.log`);
  const lines = log.trimEnd().split('\n').slice(-logLines);
  return {
    id: 'failure',
    title: 'What went wrong',
    stage,
    lead:
      failure === undefined
        ? 'The process ended without a word: killed, out of memory, or the machine went down. Running the same file again continues where it stopped.'
        : [failure.message, failure.remedy !== undefined && ` ${failure.remedy}`],
    body: html`<details open>
      <summary>Log<span class="unseen"> of ${stage}</span></summary>
      <pre role="group" tabindex="0" aria-label="Log of ${stage}"><code>${lines.join('\n')}</code></pre>
    </details>`,
  };
}

/** A log; nothing where there is none. What a link leads to is shown only where that lies in the run's own folder. */
async function readLog(directory: string, name: string): Promise<string> {
  try {
    const [folder, file] = await Promise.all([realpath(directory), realpath(join(directory, name))]);
    if (file.startsWith(folder + sep)) return await readWholeText(file);
    return `${name} is a link to ${file}, outside of the run's folder: it is not shown here.`;
  } catch {
    return '';
  }
}

/**
 * Section about the request: what was asked for, when and where. The file goes by its name only: a page that is passed
 * on tells of no folder.
 */
function runFactsSection({ id, record, endedAt, state }: Run): Section {
  const { options } = record;
  const facts: readonly (readonly [string, string])[] = [
    ['Run', id],
    ['File', basename(record.file)],
    ['Started', formatTime(record.startedAt)],
    ...(endedAt === undefined
      ? []
      : [[state === 'died' ? 'Last heard of' : 'Ended', formatTime(endedAt)] as const]),
    ...options.set.map((setting) => ['Set', setting] as const),
    ...(options.until === undefined ? [] : [['Until', options.until] as const]),
    ...(options.force.length === 0 ? [] : [['Forced', options.force.join(', ')] as const]),
    ['Host', record.host],
    ['Node', record.node],
  ];
  return {
    id: 'run',
    title: 'Run',
    folded: 'narrow',
    body: html`<dl class="facts wide-facts">
      ${facts.map(
        ([label, value]) =>
          html`<div>
            <dt>${label}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>`,
  };
}

/** Formats a time in UTC: the page may be read anywhere. */
function formatTime(time: string): string {
  return `${time.slice(0, 19).replace('T', ' ')} UTC`;
}

/** Says what could not be shown, and why. */
const damageSection = (damage: readonly string[]): Section => ({
  id: 'damaged',
  title: 'Damaged records',
  body: html`<ul>
    ${damage.map((each) => html`<li>${each}</li>`)}
  </ul>`,
});

/** Every value that the run was configured with, and where it was written. */
function configurationSection(values: readonly ConfiguredValue[]): Section {
  const groups = new Map<string, ConfiguredValue[]>();
  for (const value of values) groups.set(groupOf(value), [...(groups.get(groupOf(value)) ?? []), value]);
  return {
    id: 'configuration',
    title: 'Configuration',
    folded: 'always',
    lead: 'Every value that the run had, with the file, line and column at which it was written.',
    body: html`<label class="switch"
        ><input type="checkbox" class="show-defaults" id="configuration-defaults" /> Show defaults too</label
      >
      ${table({
        label: 'Configuration',
        kind: 'configuration',
        columns: ['Key', 'Value', 'Written at'],
        rows: Array.from(groups, ([name, own]) => group(name, own)),
      })}`,
  };
}

function group(name: string, values: readonly ConfiguredValue[]): RowGroup {
  const kindOf = ({ origin }: ConfiguredValue) => (origin === undefined ? 'default' : undefined);
  return {
    heading: name,
    kind: values.every(({ origin }) => origin === undefined) ? 'default' : undefined,
    rows: values.map((value) => ({
      kind: kindOf(value),
      cells: [
        html`<code
          >${value.key.startsWith(`stages.${name}.`) ? value.key.slice(`stages.${name}.`.length) : value.key}</code
        >`,
        html`<code>${asText(value.value)}</code>`,
        formatOrigin(value.origin),
      ],
    })),
  };
}

function groupOf({ key }: ConfiguredValue): string {
  const [first, stage] = key.split('.');
  return first === 'stages' && stage !== undefined ? stage : 'pipeline';
}
