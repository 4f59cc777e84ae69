import { dirname, resolve } from 'node:path';
import { type TellDamaged, tellDamaged } from '../../base/sealed.js';
import { readAllMetrics } from '../../formats/metrics-log.js';
import { type Html, html, type Part, type ReportedStage } from '../../pages/html.js';
import type { StageRecord } from '../../runner/run/run-record.js';
import type { ConfiguredValue } from '../../runner/runs/configuration.js';
import type { RunState } from '../../runner/run/events.js';
import type { RunNote } from '../../runner/runs/note.js';
import type { Run } from '../../runner/runs/run.js';
import type { Json } from '../../runner/stage.js';
import { type Manifest, outputPlace, readManifest } from '../../runner/store/manifest.js';

/** Every stage of a run with what the page needs of its files; of one that is not finished, what it has logged so far. */
export function readRunStages(
  run: Run,
  configuration: readonly ConfiguredValue[],
  tell: TellDamaged = tellDamaged,
): Promise<readonly ReportedStage[]> {
  return Promise.all(
    Object.entries(run.record.stages).map(([id, record]) =>
      readRunStage(run, id, record, configuration, tell),
    ),
  );
}

async function readRunStage(
  run: Run,
  id: string,
  record: StageRecord,
  configuration: readonly ConfiguredValue[],
  tell: TellDamaged,
): Promise<ReportedStage> {
  const directory = directoryOf(run, record);
  const manifest =
    record.output === undefined ? undefined : await manifestOf(directory, record.fingerprint ?? '', tell);
  const atWork = run.stage === id ? run : run.beside.find(({ stage }) => stage === id);
  const { progress } = atWork ?? record;
  return {
    stage: id,
    kind: record.kind,
    directory,
    fingerprint: record.fingerprint ?? '',
    config: manifest?.origin.config ?? configurationOf(id, configuration),
    summary: manifest?.summary ?? record.summary ?? {},
    ...(record.headline && { headline: record.headline }),
    seconds: record.seconds ?? 0,
    after: record.after,
    seed: manifest?.origin.seed,
    precision: manifest?.origin.precision,
    metrics: directory === '' ? [] : await readAllMetrics(directory, manifest?.files, tell),
    isWhole: manifest !== undefined,
    outcome: {
      status: run.state === 'died' && record.status === 'running' ? 'died' : record.status,
      reasons: record.reasons,
      ...(progress && { progress }),
      ...(record.expectedSeconds && { expectedSeconds: record.expectedSeconds }),
    },
  };
}

/** Folder of its files: its output, or what is being made of it; empty where it has not begun. */
function directoryOf(run: Run, { output, fingerprint, kind }: StageRecord): string {
  if (output !== undefined) return resolve(run.directory, output);
  if (fingerprint === undefined) return '';
  return outputPlace(dirname(dirname(run.directory)), kind, fingerprint).partial;
}

/** A damaged manifest is the next run's to mend; a page shows what the run said of itself instead. */
function manifestOf(
  directory: string,
  fingerprint: string,
  tell: TellDamaged,
): Promise<Manifest | undefined> {
  return readManifest(directory, fingerprint).catch((error: unknown) => {
    tell(directory, error, 'what is shown of it is what its run said; the next run makes it again');
    return undefined;
  });
}

/** The keys of one stage put together again, for a stage whose output does not tell. */
function configurationOf(id: string, configuration: readonly ConfiguredValue[]): Json {
  const prefix = `stages.${id}.`;
  const own = configuration.filter(({ key }) => key.startsWith(prefix) && key !== `${prefix}uses`);
  return Object.fromEntries(own.map(({ key, value }) => [key.slice(prefix.length), value]));
}

/** Words of a person about a run: its name, its tags, and a text. */
export function noteMarkup(note: RunNote | undefined): Part {
  if (note === undefined) return undefined;
  const { name, tags, text } = note;
  return html`<span class="note"
    >${name !== undefined && html`<b>${name}</b> `}${tags.map((tag) => html`<span class="tag">${tag}</span> `)}${text}</span
  >`;
}

/** Time at which a run began, in its id: without parts of a second. */
export const startOf = ({ id }: Pick<Run, 'id'>): string =>
  id.slice(id.lastIndexOf('/') + 1).replace(/\.\d+Z/, '');

/** A run's state, told by its word and a mark as well as by colour. */
export function stateBadge(state: RunState): Html {
  return html`<span class="state ${state}">${state}</span>`;
}
