import { createHash } from 'node:crypto';
import { readWholeTextSync } from '../base/files.js';
import { Html, html, type Part, renderSection, type Section } from './html.js';

const asset = (name: string): string => readWholeTextSync(new URL(`assets/${name}`, import.meta.url));
/** Functions that the server and the script share, as the script has them. */
const shared = readWholeTextSync(new URL('chart/smooth.js', import.meta.url)).replaceAll(/^export /gm, '');
const script = [shared, ...['charts', 'tables', 'pictures', 'page'].map((name) => asset(`${name}.js`))].join(
  '',
);
/** In the order of the cascade. */
const styles = ['page', 'content', 'graph', 'chart', 'runs', 'pictures', 'print']
  .map((name) => asset(`${name}.css`))
  .join('');

/** Colours, type and the parts that all pages have. */
export const pageStyles = asset('page.css');

export interface PageContent {
  readonly title: string;
  /** Subject of the page, above the title. */
  readonly eyebrow: Part;
  /** Totals, below the title. */
  readonly totals: readonly { readonly label: string; readonly value: string }[];
  /** Sections in the order of the page. */
  readonly sections: readonly Section[];
  /** Present where a server of ours gives the page out. */
  readonly site?: Site;
}

/** Parts of a page beside its content when it is one of several. */
export interface Site {
  readonly links: readonly { readonly href: string; readonly label: string }[];
  /** True when the page is kept up to date while it is open. */
  readonly isLive?: boolean;
}

/**
 * The page as the text of a file: it needs no other file and no network, and its content security policy forbids both,
 * but for what a server of ours says of its own page. The same content gives the same text.
 */
export function renderPage(content: PageContent): string {
  const { title, sections, site } = content;
  const page = html`<html lang="en" ${site?.isLive === true && new Html('data-live')}>
    ${headElement(title, securityPolicy(site), styles)}
    <body>
      <a class="skip" href="#content">Skip to the content</a>
      <header class="page-header">
        <div class="column">
          ${site && siteLinks(site)} ${headMarkup(content)}
          ${
            sections.length > 1 &&
            html`<nav aria-label="Sections">
              <ul>
                ${sections.map(({ id, title: name, stage }) => html`<li><a href="#${id}">${name}${repeated(sections, name) && html` <small>${stage}</small>`}</a></li>`)}
              </ul>
            </nav>`
          }
        </div>
      </header>
      <main class="column" id="content" tabindex="-1">${sections.map(renderSection)}</main>
      ${new Html(`<script>${script}</script>`)}
    </body>
  </html>`;
  return `<!doctype html>\n${page.text}\n`;
}

/** Title and totals: what of the page's head may change while the page is open. */
export function headMarkup({
  title,
  eyebrow,
  totals,
}: Pick<PageContent, 'title' | 'eyebrow' | 'totals'>): Html {
  return html`<div id="head">
    <p class="kind">${eyebrow}</p>
    <h1>${title}</h1>
    ${
      totals.length > 0 &&
      html`<dl class="totals">
        ${totals.map(
          ({ label, value }) =>
            html`<div>
              <dt>${label}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>`
    }
  </div>`;
}

/** The head of a page that needs no other file, under a content security policy. */
export function headElement(title: string, policy: string, styles: string): Html {
  return html`<head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="referrer" content="no-referrer" />
    <link rel="icon" href="data:," />
    <title>${title}</title>
    ${new Html(`<style>${styles}</style>`)}
  </head>`;
}

/** Names a script or style sheet to a security policy by its content. */
export const policySource = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

function siteLinks({ links, isLive }: Site): Html {
  return html`<div class="site">
    ${links.length > 0 && html`<nav aria-label="Pages">${links.map(({ href, label }) => html`<a href="${href}">${label}</a>`)}</nav>`}
    ${isLive === true && html`<span class="live-note" role="status"></span>`}
  </div>`;
}

function repeated(sections: readonly Section[], title: string): boolean {
  return sections.filter((section) => section.title === title).length > 1;
}

/**
 * Security policy: nothing may be fetched but from the page's own server; only this page's own script and style sheet
 * apply.
 */
function securityPolicy(site: Site | undefined): string {
  return [
    "default-src 'none'",
    'img-src data:',
    `script-src ${policySource(script)}`,
    `style-src-elem ${policySource(styles)}`,
    "style-src-attr 'unsafe-inline'",
    "base-uri 'none'",
    ...(site === undefined ? ["form-action 'none'"] : ["form-action 'self'", "connect-src 'self'"]),
  ].join('; ');
}
