import { type ConfiguredValue, formatOrigin } from '../../pipeline/runs/configuration.js';
import type { Json } from '../../pipeline/stage.js';
import { type Html, html } from '../../stages/report/markup/html.js';
import type { Section } from '../../stages/report/sections/section.js';

/** Every value that the run was configured with, and where it was written. */
export function configurationSection(values: readonly ConfiguredValue[]): Section {
  const groups = new Map<string, ConfiguredValue[]>();
  for (const value of values) groups.set(groupOf(value), [...(groups.get(groupOf(value)) ?? []), value]);
  return {
    id: 'configuration',
    title: 'Configuration',
    lead: 'Every value that the run had, with the file, line and column at which it was written.',
    body: html`<label class="switch"
        ><input type="checkbox" class="show-defaults" id="configuration-defaults" /> Show defaults too</label
      >
      <div class="frame" role="group" aria-label="Configuration" tabindex="0">
        <table class="configuration">
          <thead>
            <tr>
              <th scope="col">Key</th>
              <th scope="col">Value</th>
              <th scope="col">Written at</th>
            </tr>
          </thead>
          ${Array.from(groups, ([name, own]) => group(name, own))}
        </table>
      </div>`,
  };
}

function group(name: string, values: readonly ConfiguredValue[]): Html {
  const isDefault = values.every(({ origin }) => origin === undefined);
  return html`<tbody>
    <tr class="${isDefault && 'default'}">
      <th class="group" scope="rowgroup" colspan="3">${name}</th>
    </tr>
    ${values.map(
      ({ key, value, origin }) =>
        html`<tr class="${origin === undefined && 'default'}">
          <th scope="row">
            <code>${key.startsWith(`stages.${name}.`) ? key.slice(`stages.${name}.`.length) : key}</code>
          </th>
          <td><code>${textOf(value)}</code></td>
          <td>${formatOrigin(origin)}</td>
        </tr>`,
    )}
  </tbody>`;
}

function groupOf({ key }: ConfiguredValue): string {
  const [first, stage] = key.split('.');
  return first === 'stages' && stage !== undefined ? stage : 'pipeline';
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));
