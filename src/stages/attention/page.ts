import { counted, formatNumber } from '../../base/format.js';
import { hasFile, html, readOutputJson, spreadToEnd } from '../../pages/html.js';
import type { Html, ReportedStage, Section } from '../../pages/html.js';
import type { KindPage } from '../../pages/kinds.js';
import { table } from '../../pages/table.js';
import type { Proposal } from './proposal.js';
import { type Attention, attentionName } from './record.js';

export const page: KindPage = { sections: [{ rank: 3, build: attentionSection }] };

/** Choices that are listed at most. */
const mostChoices = 10;

async function attentionSection(stage: ReportedStage): Promise<Section | undefined> {
  if (!(await hasFile(stage, attentionName))) return undefined;
  const found = await readOutputJson<Attention>(stage, attentionName);
  const { model, samples, counts, blocks, proposal, rows, tokens } = found;
  const numbers = blocks.map(({ block }) => block);
  const compared = rows < tokens ? `, of ${rows} of its ${tokens} rows` : '';
  return {
    id: `attention-${stage.stage}`,
    title: 'Attention, block by block',
    stage: stage.stage,
    lead: html`<code>mediators: [${proposal.mediators.join(', ')}]</code> saves
      <strong>${formatNumber(100 * proposal.saved)} %</strong> of the multiply-accumulates of ${model}, by
      ${counted(samples, 'sample')}.`,
    body: html`${heat(
      `Divergence between the rows of attention (Jensen–Shannon, in nats${compared}): 0 where all tokens look at the same`,
      found.times,
      numbers,
      blocks.map(({ divergence }) => divergence),
    )}
    ${counts.map((count, k) =>
      heat(
        `How far a block's output moves with ${counted(count, 'mediator')} in place of its attention, as a share of it`,
        found.times,
        numbers,
        blocks.map(({ moved }) => moved[k]!),
      ),
    )}
    ${choices(found)}`,
  };
}

/** A table of blocks and times whose cells are shaded by their values. */
function heat(
  caption: string,
  times: readonly number[],
  blocks: readonly number[],
  values: readonly (readonly number[])[],
): Html {
  const most = values.flat().reduce((a, b) => Math.max(a, b), Number.MIN_VALUE);
  const heated = table({
    kind: 'heat',
    label: caption,
    columns: ['Block', ...times.map((time) => `t = ${formatNumber(time)}`)],
    rows: values.map((row, i) => [
      blocks[i]!,
      ...row.map(
        (value) =>
          html`<span style="--share:${Math.round((100 * value) / most)}%">${value.toPrecision(2)}</span>`,
      ),
    ]),
  });
  return captioned(caption, heated);
}

/** A table below its caption, which stays in view where the table is scrolled. */
const captioned = (caption: string, below: Html): Html =>
  html`<p class="table-caption">${caption}</p>
    ${below}`;

const roughly = (value: number): string => formatNumber(Number(value.toPrecision(2)));

function choices({ frontier, proposal }: Attention): Html {
  const isProposed = ({ mediators }: Proposal) => String(mediators) === String(proposal.mediators);
  const listed = new Set([...spreadToEnd(frontier, mostChoices), ...frontier.filter(isProposed)]);
  const chosen = table({
    label: 'Choices of mediators',
    columns: ['Saved', 'Moved', 'Mediators of each block'],
    rows: frontier
      .filter((choice) => listed.has(choice))
      .map((choice) => [
        `${roughly(100 * choice.saved)} %`,
        roughly(choice.moved),
        isProposed(choice)
          ? html`<strong>${choice.mediators.join(', ')}</strong> (proposed)`
          : choice.mediators.join(', '),
      ]),
  });
  return captioned('Choices that no other beats: those that save more move the outputs further', chosen);
}
