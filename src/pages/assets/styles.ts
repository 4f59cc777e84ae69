import { chartStyles } from './chart-styles.js';
import { comparisonStyles } from './comparison-styles.js';
import { graphStyles } from './graph-styles.js';

/** Colours, type and the page's parts. From 360 px up, light and dark. */
const pageStyles = `
:root {
  color-scheme: light dark;
  --page: #fcfcfa; --card: #ffffff; --sunk: #f4f4f0; --ink: #1d1f23; --soft: #5d626b; --rule: #e2e2dc;
  --accent: #2f4fb5; --bar: #c9d3f0; --radius: 10px;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15171b; --card: #1c1f25; --sunk: #101215; --ink: #e9eaed; --soft: #a0a6b1; --rule: #2d313a;
    --accent: #9db2ff; --bar: #37446f;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
.column { width: min(70rem, 100% - clamp(2rem, 8vw, 5rem)); margin-inline: auto; }
a { color: var(--accent); text-underline-offset: 0.2em; text-decoration-thickness: 1px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; margin: 0; }
h1 { font-size: clamp(2rem, 1.4rem + 2.6vw, 3.25rem); font-weight: 650; letter-spacing: -0.028em; }
h2 { font-size: 1.45rem; font-weight: 620; letter-spacing: -0.015em; }
h3 { font-size: 1rem; font-weight: 600; }
p { margin: 0; }
small { font-size: 0.85em; color: var(--soft); font-weight: 400; }
code, pre { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.86em; }
img { display: block; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: 1rem; top: -4rem; padding: 0.5rem 1rem; background: var(--card); border-radius: var(--radius); z-index: 9; }
.skip:focus { top: 1rem; }
.kind { color: var(--soft); font-size: 0.875rem; }
.page-header { padding: clamp(2rem, 6vw, 4.5rem) 0 1.75rem; border-bottom: 1px solid var(--rule); }
.page-header h1 { margin-top: 0.35rem; }
.totals { display: flex; flex-wrap: wrap; gap: 1.1rem clamp(1.75rem, 5vw, 3.5rem); margin: 1.9rem 0 0; }
.totals div { display: flex; flex-direction: column-reverse; }
.totals dt { color: var(--soft); font-size: 0.875rem; }
.totals dd { margin: 0; font-size: 1.4rem; line-height: 1.3; font-weight: 560; letter-spacing: -0.015em; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.35rem 1.35rem; margin: 1.9rem 0 0; padding: 0; list-style: none; font-size: 0.925rem; }
nav a { display: inline-block; padding: 0.15rem 0; text-decoration: none; }
nav a:hover { text-decoration: underline; }
section { margin-top: clamp(2.75rem, 6vw, 4.25rem); }
section > header { margin-bottom: 1.35rem; }
.stage-name { margin-left: 0.35rem; padding: 0.12rem 0.5rem; border: 1px solid var(--rule); border-radius: 99px; color: var(--soft); font-size: 0.8rem; font-weight: 450; letter-spacing: 0; vertical-align: 0.2em; white-space: nowrap; }
.lead { margin-top: 0.45rem; max-width: 46rem; color: var(--soft); }
.lead strong { color: var(--ink); font-weight: 600; }
main { padding-bottom: 6rem; }

.samples { display: grid; gap: 0.85rem; }
.sample-row { display: grid; grid-template-columns: 9.5rem minmax(0, 1fr); align-items: center; gap: 1.25rem; }
.sample-row h3 { font-size: 0.925rem; font-weight: 500; text-align: right; text-wrap: pretty; }
.sample-row small { display: block; }
.tiles { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 6rem)); gap: clamp(3px, 0.6vw, 8px); }
.tiles img { width: 100%; height: auto; border-radius: 6px; background: #fff; outline: 1px solid color-mix(in srgb, var(--ink) 9%, transparent); outline-offset: -1px; }
section:has(.show-pixels:checked) .tiles img { image-rendering: pixelated; }
.switch { display: inline-flex; align-items: center; gap: 0.5rem; min-height: 1.75rem; margin: -0.6rem 0 1.1rem; color: var(--soft); font-size: 0.9rem; cursor: pointer; }
input { accent-color: var(--accent); }
.frame { overflow-x: auto; }
.frame > img { width: 100%; min-width: 46rem; height: auto; border-radius: var(--radius); background: #fff; outline: 1px solid var(--rule); outline-offset: -1px; }

table { width: 100%; border-collapse: collapse; font-size: 0.925rem; }
caption { text-align: left; color: var(--soft); font-size: 0.875rem; padding-bottom: 0.35rem; }
th, td { padding: 0.5rem 1.25rem 0.5rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: baseline; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-size: 0.85rem; white-space: nowrap; }
tbody th { font-weight: 550; }
tfoot th, tfoot td { border: 0; color: var(--soft); }
.timings td { white-space: nowrap; }
.bar { display: inline-block; vertical-align: baseline; height: 0.62rem; margin-right: 0.6rem; border-radius: 3px; background: var(--bar); min-width: 2px; }
.timings td:nth-child(3) { width: 45%; }
.timings .bar { width: calc(var(--share) * 0.6); }
.bars { max-width: 52rem; }
.bars thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.bars th, .bars td { border: 0; padding-block: 0.2rem; }
.bars th { width: 1%; min-width: 9.5rem; max-width: 14rem; padding-right: 1.25rem; font-weight: 450; text-align: right; text-wrap: pretty; }
.bars .bar { width: calc(var(--share) * 0.85); }
.files { padding-left: 1.2rem; color: var(--soft); font-size: 0.9rem; }
.files code { color: var(--ink); }

details { margin-top: 0.75rem; }
summary { display: inline-block; padding: 0.3rem 0; cursor: pointer; color: var(--accent); font-size: 0.925rem; }
summary::before { content: "›"; display: inline-block; width: 0.9em; transition: rotate 0.15s; }
details[open] > summary::before { rotate: 90deg; }
summary::-webkit-details-marker { display: none; }
.stage-details { display: grid; gap: 0 2.5rem; margin-top: 1.5rem; }
.stage { padding: 1.4rem 0; border-bottom: 1px solid var(--rule); min-width: 0; }
.stage:last-child { border: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.7rem 1.75rem; margin: 0.8rem 0 0; font-size: 0.925rem; }
.facts dt { color: var(--soft); font-size: 0.85rem; }
.facts dd { margin: 0; }
.facts .long { grid-column: 1 / -1; }
pre { margin: 0.5rem 0 0; padding: 1rem 1.15rem; max-height: 30rem; overflow: auto; background: var(--sunk); border: 1px solid var(--rule); border-radius: var(--radius); line-height: 1.5; }

@media (max-width: 44rem) {
  .sample-row { grid-template-columns: minmax(0, 1fr); gap: 0.4rem; }
  .sample-row h3 { text-align: left; }
  .sample-row small { display: inline; margin-left: 0.4rem; }
  .tiles { grid-template-columns: repeat(min(var(--columns), 5), minmax(0, 1fr)); }
  .bars th { min-width: 6.5rem; padding-right: 0.75rem; }
  .bars .bar { width: calc(var(--share) * 0.7); }
  .timings .bar, .timings :is(td, th):nth-child(2) { display: none; }
  .timings tbody td, .timings code { font-size: 0.8rem; }
  .timings td:nth-child(3) { width: auto; }
  th, td { padding-right: 0.9rem; }
}
@media (prefers-reduced-motion: reduce) {
  html { scroll-behavior: auto; }
  * { transition: none !important; animation: none !important; }
}
`;

/** Styles on paper, where nothing can be pressed; after all else, to have the last word. */
const printStyles = `
@media print {
  nav, .switch, .choice, .skip, .slide-control, .actions, .site, .runs td:first-child, .runs th:first-child { display: none; }
  section, figure, .stage, .sample-row { break-inside: avoid; }
  .bar, .meter, .state { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;

/** The page's style sheet. */
export const styles = pageStyles + graphStyles + chartStyles + comparisonStyles + printStyles;
