import { capitalized } from '../../../base/format.js';
import { figuresOf } from '../../../pages/figures.js';
import { html } from '../../../pages/html.js';
import type { ReportedStage, Section } from '../../../pages/section.js';

/** Section with the metrics of samples. */
export function evaluationSection(stage: ReportedStage): Promise<Section | undefined> {
  const figures = figuresOf(stage.summary);
  if (figures.length === 0) return Promise.resolve(undefined);
  return Promise.resolve({
    id: `evaluation-${stage.stage}`,
    title: 'Evaluation',
    stage: stage.stage,
    body: html`<table class="figures">
      <thead>
        <tr>
          <th scope="col">Figure</th>
          <th scope="col">Value</th>
        </tr>
      </thead>
      <tbody>
        ${figures.map(
          ({ label, value }) =>
            html`<tr>
              <th scope="row">${capitalized(label)}</th>
              <td>${value}</td>
            </tr>`,
        )}
      </tbody>
    </table>`,
  });
}
