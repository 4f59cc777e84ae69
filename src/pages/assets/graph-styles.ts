/**
 * The graph of stages. Its columns share the width evenly, so that the lines, which are stretched with it, meet the
 * cards; `7%` of a column on each side is the gap of `sections/pipeline.ts`.
 */
export const graphStyles = `
.graph ol { margin: 0; padding: 0; list-style: none; display: grid; gap: 0.6rem; }
.graph svg { display: none; }
.card { position: relative; display: grid; grid-template-columns: 1fr auto; align-content: start; gap: 0 0.75rem; padding: 0.7rem 0.9rem; color: inherit; text-decoration: none; background: var(--card); border: 1px solid var(--rule); border-radius: var(--radius); font-size: 0.875rem; line-height: 1.4; transition: border-color 0.15s; }
.card:hover { border-color: var(--accent); }
.card strong { order: -2; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
.card .time { order: -1; color: var(--soft); white-space: nowrap; align-self: center; }
.card .kind { font-size: 0.8rem; }
.card .after { grid-column: 1 / -1; color: var(--soft); font-size: 0.8rem; }
.card-figures { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 0 1rem; margin-top: 0.15rem; color: var(--soft); }
.card-figures b { color: var(--ink); font-weight: 560; }
@media (min-width: 62rem) {
  .graph-frame { overflow-x: auto; padding: 2px; margin: -2px; }
  .graph { position: relative; height: var(--height); min-width: calc(var(--columns) * 10.5rem); margin-inline: calc(-7% / var(--columns)); }
  .graph svg { display: block; position: absolute; inset: 0; width: 100%; height: 100%; }
  .edge { fill: none; stroke: color-mix(in srgb, var(--soft) 65%, transparent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
  .graph ol { display: block; }
  .graph li { position: absolute; height: var(--row-height); padding-block: 6px; width: calc(86% / var(--columns)); left: calc((100% * var(--column) + 7%) / var(--columns)); top: calc(var(--row-height) * var(--row)); }
  .card { height: 100%; display: flex; flex-direction: column; overflow: hidden; padding: 0.6rem 0.85rem; }
  .card .after { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .card strong, .card .kind { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .card .kind { order: -1; line-height: 1.3; }
  .card .time { order: 2; align-self: start; margin-top: auto; }
  .card-figures { display: block; margin-top: 0.3rem; line-height: 1.4; font-size: 0.8rem; }
  .card-figures span { display: block; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .reads::before { content: ""; position: absolute; z-index: 1; left: -6px; top: 50%; border: 4px solid transparent; border-left: 6px solid var(--soft); border-right: 0; translate: 0 -50%; }
}
`;
