import { basename } from 'node:path';
import type { Run } from '../../pipeline/runs/run.js';
import { html } from '../../stages/report/markup/html.js';
import type { Section } from '../../stages/report/sections/section.js';

/** What was asked for, when and where. The file goes by its name only: a page that is passed on tells of no folder. */
export function runFactsSection({ id, record, endedAt, state }: Run): Section {
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

/** In UTC: the page may be read anywhere. */
function formatTime(time: string): string {
  return `${time.slice(0, 19).replace('T', ' ')} UTC`;
}
