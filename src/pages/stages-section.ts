import { stringify } from 'yaml';
import { asWords, capitalized, formatDuration, formatNumber, formatPercent } from '../base/format.js';
import { isObject, type Json } from '../runner/fingerprint/origin.js';
import { figuresOf } from './figures.js';
import { type Html, html, outcomeText, type ReportedStage, type Section } from './html.js';
import { bar, type Row, table } from './table.js';

/** Digits of a fingerprint that tell outputs apart; as many as the store's folders have. */
const shortFingerprint = 16;

/** Characters from which on a fact gets a line of its own, and those from which on it is folded away. */
const longFact = 44;
const foldedFact = 240;
/** Characters of a folded fact that are shown. */
const shownOfFact = 60;

/** Every stage's timing, fingerprint, figures and configuration, whatever its kind. */
export function stagesSection(stages: readonly ReportedStage[]): Section {
  const total = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    id: 'stages',
    title: 'Stages',
    folded: 'narrow',
    lead: 'What each stage took, what it said of its output, and the configuration that it ran with, defaults included.',
    body: html`${table({
        label: 'Timings and fingerprints',
        kind: 'timings',
        columns: ['Stage', 'Kind', 'Time', 'Fingerprint'],
        rows: stages.map((stage) => timing(stage, total)),
        foot: ['All', '', formatDuration(total), ''],
      })}
      <div class="stage-details">${stages.map(details)}</div>`,
  };
}

function timing({ stage, kind, seconds, fingerprint, outcome }: ReportedStage, total: number): Row {
  return [
    html`<a href="#stage-${stage}">${stage}</a>`,
    kind,
    [
      bar(total > 0 ? seconds / total : 0),
      formatDuration(seconds),
      outcome?.status === 'cached' && html` <small>cached</small>`,
    ],
    html`<code title="${fingerprint}">${fingerprint.slice(0, shortFingerprint)}</code>`,
  ];
}

/** Comparison of the time that a finished stage took with what was expected. */
function verdict(
  { status, expectedSeconds }: NonNullable<ReportedStage['outcome']>,
  seconds: number,
): string {
  if (status !== 'finished') return '';
  const [least, most] = expectedSeconds!;
  const part = (from: number): string => formatPercent(Math.abs(seconds / from - 1));
  if (seconds > most) return `; it took ${part(most)} more than that`;
  return seconds < least ? `; it took ${part(least)} less than that` : '; it took as long';
}

function details(stage: ReportedStage): Html {
  const { config, summary, seed, precision, outcome, accepted } = stage;
  const facts: readonly (readonly [label: string, value: string, isLong?: boolean])[] = [
    ...(outcome === undefined ? [] : [['state', outcomeText(outcome)] as const]),
    ...(outcome?.expectedSeconds === undefined
      ? []
      : [
          [
            'expected time',
            `${outcome.expectedSeconds.map(formatDuration).join(' to ')}${verdict(outcome, stage.seconds)}`,
          ] as const,
        ]),
    ...(outcome === undefined || outcome.reasons.length === 0
      ? []
      : [['why it ran', outcome.reasons.join('; '), true] as const]),
    ...(accepted === undefined
      ? []
      : [
          [
            `accepted on ${accepted.at.slice(0, 10)} as it is`,
            accepted.differences.join('; '),
            true,
          ] as const,
        ]),
    ...(seed === undefined ? [] : [['seed', String(seed)] as const]),
    ...(precision === undefined ? [] : [['precision', precision] as const]),
    ...figuresOf(stage).map(({ label, value }) => [label, value] as const),
    ...Object.entries(summary).flatMap(([name, value]) =>
      typeof value === 'number' ? [] : [[asWords(name), inWords(value)] as const],
    ),
  ];
  const configuration = { uses: stage.kind, ...(isObject(config) ? config : { config }) };
  return html`<article class="stage" id="stage-${stage.stage}" aria-labelledby="stage-${stage.stage}-title">
    <h3 id="stage-${stage.stage}-title">
      ${stage.stage}${stage.kind !== stage.stage && html` <span class="stage-name">${stage.kind}</span>`}
    </h3>
    <dl class="facts">
      ${facts.map(
        ([label, value, isLong = value.length > longFact]) =>
          html`<div class="${isLong && 'long'}">
            <dt>${capitalized(label)}</dt>
            <dd>${value.length > foldedFact ? folded(value) : value}</dd>
          </div>`,
      )}
    </dl>
    <details>
      <summary>Configuration<span class="unseen"> of ${stage.stage}</span></summary>
      <pre
        role="group"
        tabindex="0"
        aria-label="Configuration of ${stage.stage}"
      ><code>${stringify({ [stage.stage]: configuration }, { lineWidth: 100 }).trimEnd()}</code></pre>
    </details>
  </article>`;
}

/** A fact that is too long to be read with the others: its beginning, and all of it once it is opened. */
function folded(value: string): Html {
  const start = value.slice(0, shownOfFact).replace(/,? \S*$/, '');
  return html`<details class="fact">
    <summary>${start} …</summary>
    ${value}
  </details>`;
}

/** A value of a summary as a phrase where it is flat, otherwise as YAML on one line. */
function inWords(value: Json): string {
  if (Array.isArray(value) && value.every(isPlain)) return value.map(plain).join(', ');
  if (isPlain(value)) return plain(value);
  if (isObject(value) && Object.values(value).every(isPlain))
    return Object.entries(value)
      .map(([name, item]) => `${name} ${plain(item as Plain)}`)
      .join(', ');
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd();
}

type Plain = string | number | boolean | null;

const isPlain = (value: Json): value is Plain => typeof value !== 'object' || value === null;

const plain = (value: Plain) => (typeof value === 'number' ? formatNumber(value) : String(value ?? 'none'));
