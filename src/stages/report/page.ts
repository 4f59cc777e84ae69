import { createHash } from 'node:crypto';
import { script } from './assets/script.js';
import { styles } from './assets/styles.js';
import { Html, html } from './markup/html.js';
import type { ReportedStage } from './reported-stage.js';
import { pipelineSection, totals } from './sections/pipeline.js';
import { type Section, renderSection } from './sections/section.js';
import { stagesSection } from './sections/stages.js';

export interface PageContent {
  readonly title: string;
  readonly pipeline: string;
  readonly stages: readonly ReportedStage[];
  /** What there is to see of the stages, in the order of the page. */
  readonly sections: readonly Section[];
}

/**
 * The page as the text of a file: it needs no other file and no network, and its content security policy forbids both.
 * The same content gives the same text.
 */
export function renderPage({ title, pipeline, stages, sections }: PageContent): string {
  const all = [pipelineSection(stages), ...sections, stagesSection(stages)];
  const page = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta http-equiv="Content-Security-Policy" content="${securityPolicy()}" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta name="referrer" content="no-referrer" />
      <link rel="icon" href="data:," />
      <title>${title}</title>
      ${new Html(`<style>${styles}</style>`)}
    </head>
    <body>
      <a class="skip" href="#content">Skip to the content</a>
      <header class="page-header">
        <div class="column">
          <p class="kind">Pipeline <bdi>${pipeline}</bdi></p>
          <h1>${title}</h1>
          <dl class="totals">
            ${totals(stages).map(
              ({ label, value }) =>
                html`<div>
                  <dt>${label}</dt>
                  <dd>${value}</dd>
                </div>`,
            )}
          </dl>
          <nav aria-label="Sections">
            <ul>
              ${all.map(({ id, title: name, stage }) => html`<li><a href="#${id}">${name}${repeated(all, name) && html` <small>${stage}</small>`}</a></li>`)}
            </ul>
          </nav>
        </div>
      </header>
      <main class="column" id="content" tabindex="-1">${all.map(renderSection)}</main>
      ${new Html(`<script>${script}</script>`)}
    </body>
  </html>`;
  return `<!doctype html>\n${page.text}\n`;
}

function repeated(sections: readonly Section[], title: string): boolean {
  return sections.filter((section) => section.title === title).length > 1;
}

/** Nothing may be fetched; only this page's own script and style sheet apply. */
function securityPolicy(): string {
  const digest = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  return [
    "default-src 'none'",
    'img-src data:',
    `script-src ${digest(script)}`,
    `style-src-elem ${digest(styles)}`,
    "style-src-attr 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}
