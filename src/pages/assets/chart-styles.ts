/** Curves: the drawing is stretched to its frame, lines and labels keep their size. */
export const chartStyles = `
.choice { display: flex; align-items: center; width: fit-content; margin: 0 0 0.9rem; padding: 0; border: 0; font-size: 0.875rem; }
.choice legend { float: left; padding: 0 0.75rem 0 0; color: var(--soft); }
.choice label { position: relative; cursor: pointer; }
.choice input { position: absolute; inset: 0; margin: 0; opacity: 0; cursor: pointer; }
.choice span { display: block; padding: 0.25rem 0.85rem; border: 1px solid var(--rule); color: var(--soft); }
.choice label:first-of-type span { border-radius: 99px 0 0 99px; }
.choice label:last-of-type span { border-radius: 0 99px 99px 0; margin-left: -1px; }
.choice :checked + span { background: var(--bar); border-color: var(--bar); color: var(--ink); }
.choice :focus-visible + span { outline: 2px solid var(--accent); outline-offset: 2px; }
.chart { margin: 0; min-width: 0; }
.chart figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; margin-bottom: 0.7rem; font-size: 0.9rem; }
.chart-name { font-weight: 600; }
.readout { color: var(--soft); }
.plot { position: relative; height: 18rem; padding: 0 0 1.6rem 3.2rem; }
.small .plot { height: 8.5rem; }
.canvas { position: relative; height: 100%; }
.canvas svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.canvas path { fill: none; vector-effect: non-scaling-stroke; }
.rule { stroke: var(--rule); stroke-width: 1; }
.raw { stroke: var(--accent); stroke-width: 1; opacity: 0.32; stroke-linejoin: round; }
.curve { stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.small .curve { stroke-width: 1.5; }
.curve.dot { stroke-width: 7; }
.ticks { position: absolute; inset: 0 0 1.6rem 3.2rem; }
.tick { position: absolute; color: var(--soft); font-size: 0.78rem; line-height: 1; white-space: nowrap; }
.tick.y { right: 100%; bottom: var(--at); padding-right: 0.6rem; translate: 0 50%; }
.tick.x { top: calc(100% + 0.5rem); left: var(--at); translate: -50% 0; }
.tick.x.first { translate: 0 0; }
.tick.x.last { translate: -80% 0; }
.curves:has(.linear-scale:checked) .has-log .log, .curves:has(.log-scale:checked) .has-log .linear { display: none; }
.small-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); gap: 1.5rem 2.25rem; margin-top: 1.9rem; }
.scrub { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: crosshair; touch-action: pan-y; }
.scrub[hidden] { display: none; }
.canvas:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 6px; border-radius: 4px; }
.cursor { position: absolute; inset-block: 0; width: 0; border-left: 1px solid var(--soft); pointer-events: none; }
.cursor::after { content: ""; position: absolute; left: -4.5px; bottom: var(--at); width: 8px; height: 8px; translate: 0 50%; border-radius: 50%; background: var(--accent); box-shadow: 0 0 0 2px var(--page); }
`;
