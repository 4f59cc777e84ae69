import { stringify } from 'yaml';
import { capitalized, formatNumber } from '../../../base/format.js';
import { asWords, formatDuration } from '../../../base/text.js';
import { figuresOf } from '../../../pages/figures.js';
import { type Html, html } from '../../../pages/html.js';
import { outcomeText, type ReportedStage, type Section } from '../../../pages/section.js';
import type { Json } from '../../../runner/stage.js';

/** Digits of a fingerprint that tell outputs apart; as many as the store's folders have. */
const shortFingerprint = 16;

/** Characters from which on a fact gets a line of its own. */
const longFact = 44;

/** Every stage's timing, fingerprint, figures and configuration, whatever its kind. */
export function stagesSection(stages: readonly ReportedStage[]): Section {
  const total = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    id: 'stages',
    title: 'Stages',
    lead: 'What each stage took, what it said of its output, and the configuration that it ran with, defaults included.',
    body: html`<div class="frame" role="group" aria-label="Timings and fingerprints" tabindex="0">
        <table class="timings">
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col">Kind</th>
              <th scope="col">Time</th>
              <th scope="col">Fingerprint</th>
            </tr>
          </thead>
          <tbody>
            ${stages.map((stage) => timing(stage, total))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">All</th>
              <td></td>
              <td>${formatDuration(total)}</td>
              <td></td>
            </tr>
          </tfoot>
        </table>
      </div>
      <div class="stage-details">${stages.map(details)}</div>`,
  };
}

function timing({ stage, kind, seconds, fingerprint, outcome }: ReportedStage, total: number): Html {
  const share = total > 0 ? Math.round((seconds / total) * 1000) / 10 : 0;
  return html`<tr>
    <th scope="row"><a href="#stage-${stage}">${stage}</a></th>
    <td>${kind}</td>
    <td>
      <span class="bar" style="--share:${share}%"></span
      >${formatDuration(seconds)}${outcome?.status === 'cached' && html` <small>cached</small>`}
    </td>
    <td><code title="${fingerprint}">${fingerprint.slice(0, shortFingerprint)}</code></td>
  </tr>`;
}

function details(stage: ReportedStage): Html {
  const { config, summary, seed, precision, outcome, accepted } = stage;
  const facts: readonly (readonly [label: string, value: string, isLong?: boolean])[] = [
    ...(outcome === undefined ? [] : [['state', outcomeText(outcome)] as const]),
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
    ...figuresOf(summary).map(({ label, value }) => [label, value] as const),
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
            <dd>${value}</dd>
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

function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
