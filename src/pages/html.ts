import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { asUserError } from '../base/files.js';
import { formatCount } from '../base/format.js';
import { readInput, readInputText } from '../base/input-file.js';
import { type MetricsRecord, readAllMetrics } from '../formats/metrics-log.js';
import type { StageStatus } from '../runner/run/run-record.js';
import { type KeptProgress, percentDone, type StageOutput } from '../runner/stage.js';
import { readManifest } from '../runner/store/manifest.js';

/** Markup that is safe to put in a page as it is. */
export class Html {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** Value that a template takes: text is escaped, markup is not, lists are joined, absent values leave nothing. */
export type Part = Html | string | number | undefined | false | readonly Part[];

/**
 * Markup from a template. Every value is escaped for element content and for quoted attributes;
 * attributes must be quoted, and no value may stand in a tag's or attribute's name, nor within `<script>` or `<style>`.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(String.raw({ raw: strings }, ...parts.map(render)));
}

/** Text as it is written between tags or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function render(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return part.map(render).join('');
}

/** A picture that is part of the page itself. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** A `data:` URL. */
  readonly source: string;
}

/**
 * Reads a PNG file into the page. Up to `mostPixels` wide its bytes are taken as they are; wider ones are made smaller,
 * for a page should open quickly.
 *
 * @throws UserError for a file that cannot be read.
 */
export async function inlinePicture(path: string, mostPixels: number): Promise<Picture> {
  let file: Buffer;
  try {
    file = await readInput(path);
  } catch (error) {
    throw asUserError(error, path);
  }
  const { width, height } = await sharp(file).metadata();
  if (width <= mostPixels) return { width, height, source: dataUrl('png', file) };
  const { data, info } = await sharp(file)
    .resize({ width: mostPixels })
    .webp({ quality: 90 })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, source: dataUrl('webp', data) };
}

/** A picture's file as an address that holds it. */
export function dataUrl(format: string, bytes: Uint8Array): string {
  return `data:image/${format};base64,${Buffer.from(bytes).toString('base64')}`;
}

/** Selects at most `count` of the items, evenly spread, the first and the last among them. */
export function spreadToEnd<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  if (count < 2) return items.slice(-1);
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}

/** A slider over the steps of pictures, at the last one; shown where scripts run. */
export function slideControl(id: string, last: number, step: number): Html {
  return html`<div class="slide-control" hidden>
    <label for="${id}-step">Step</label>
    <input
      id="${id}-step"
      type="range"
      min="0"
      max="${last}"
      value="${last}"
      aria-valuetext="step ${formatCount(step)}"
    />
    <output for="${id}-step">${formatCount(step)}</output>
  </div>`;
}

/** A part of the page with a heading of its own. */
export interface Section {
  /** Id in the page. */
  readonly id: string;
  readonly title: string;
  /** The stage that it is about, where it is about one. */
  readonly stage?: string;
  /** Advice before looking, in a line. */
  readonly lead?: Part;
  /** Screens on which the section is folded away at first, as what is looked up rather than looked at. */
  readonly folded?: 'narrow' | 'always';
  readonly body: Html;
}

export function renderSection({ id, title, stage, lead, folded, body }: Section): Html {
  const folds = folded !== undefined && html`data-folded="${folded}"`;
  return html`<section id="${id}" aria-labelledby="${id}-title" ${folds}>
    <header>
      <h2 id="${id}-title">
        ${title}${stage !== undefined && html` <span class="stage-name">${stage}</span>`}
      </h2>
      ${lead !== undefined && html`<p class="lead">${lead}</p>`}
    </header>
    ${body}
  </section>`;
}

/** A stage with what a page needs of its files. */
export interface ReportedStage extends StageOutput {
  /** True when its output is there, so that what it holds can be shown. */
  readonly isWhole: boolean;
  /** Ids of the stages in the report whose output this one read. */
  readonly after: readonly string[];
  readonly seed: number | undefined;
  readonly precision: string | undefined;
  /** Records that it logged while it ran; empty where it logs nothing. */
  readonly metrics: readonly MetricsRecord[];
  /** Outcome in the run that the page is about, where it is about one. */
  readonly outcome?: StageOutcome;
}

interface StageOutcome {
  readonly status: StageStatus | 'died';
  /** Reasons why it ran, in words; empty where it was cached. */
  readonly reasons: readonly string[];
  readonly progress?: KeptProgress;
  /** Range in seconds of the time that it was expected to take. */
  readonly expectedSeconds?: readonly [least: number, most: number];
}

/** An outcome in a word or two: `ran`, `cached`, `running 42 %`. */
export function outcomeText({ status, progress }: StageOutcome): string {
  if (status === 'finished') return 'ran';
  const isPart = status !== 'cached' && status !== 'waiting' && progress !== undefined;
  const percent = isPart ? percentDone(progress) : undefined;
  return percent === undefined ? status : `${status} ${Math.floor(percent)} %`;
}

/**
 * Reads what is common to all kinds.
 *
 * @param all every stage of the report. A stage's inputs are recognised by their content: its output may have been made
 *   by another pipeline, in which the same stages have other ids, or from equal outputs that were made otherwise.
 */
export async function readReportedStage(
  output: StageOutput,
  all: readonly StageOutput[],
): Promise<ReportedStage> {
  const origin = (await readManifest(output.directory, output.fingerprint))?.origin;
  const after = (origin?.references ?? []).flatMap(({ stage, fingerprint, content }) => {
    const same = all.filter(
      (other) => other.fingerprint === fingerprint || (content !== undefined && other.content === content),
    );
    const input = same.find((other) => other.stage === stage) ?? same[0];
    return input === undefined ? [] : [input.stage];
  });
  return {
    ...output,
    isWhole: true,
    after: [...new Set(after)],
    seed: origin?.seed,
    precision: origin?.precision,
    metrics: await readAllMetrics(output.directory),
  };
}

/** A JSON file of a stage's output. */
export async function readOutputJson<Content>({ directory }: StageOutput, file: string): Promise<Content> {
  const path = join(directory, file);
  try {
    return JSON.parse(await readInputText(path)) as Content;
  } catch (error) {
    throw asUserError(error, path);
  }
}

/** True when a stage's output has a file. */
export async function hasFile({ directory }: StageOutput, file: string): Promise<boolean> {
  return stat(join(directory, file)).then(
    (found) => found.isFile(),
    () => false,
  );
}
