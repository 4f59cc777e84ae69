/** Lines of several runs, legends, histograms, and what only pages about runs have. */
export const comparisonStyles = `
:root { --line-0: #2f4fb5; --line-1: #b3541e; --line-2: #1f7a5c; --line-3: #9b2d86; --line-4: #6b6400; --line-5: #5d626b; }
@media (prefers-color-scheme: dark) {
  :root { --line-0: #9db2ff; --line-1: #f0a36b; --line-2: #6fd3ac; --line-3: #ec8fd8; --line-4: #d9cf5a; --line-5: #b4bac4; }
}
.line-0, .line-6 { --line: var(--line-0); } .line-1, .line-7 { --line: var(--line-1); } .line-2, .line-8 { --line: var(--line-2); }
.line-3, .line-9 { --line: var(--line-3); } .line-4, .line-10 { --line: var(--line-4); } .line-5, .line-11 { --line: var(--line-5); }
.line-1, .line-6 { stroke-dasharray: 7 4; } .line-2, .line-9 { stroke-dasharray: 2 4; } .line-3, .line-8 { stroke-dasharray: 12 4 2 4; }
.line-4, .line-11 { stroke-dasharray: 16 6; } .line-5, .line-10 { stroke-dasharray: 5 3 5 9; }
.curve[class*="line-"] { stroke: var(--line); }
.cursor[class*="line-"]::after { background: var(--line); }
.count { fill: var(--line); stroke: none; }
.kind .state { margin-left: 0.6rem; }
.wide-facts { grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.5rem; margin: 0 0 0.9rem; padding: 0; list-style: none; font-size: 0.875rem; }
.legend output { color: var(--soft); }
.swatch { width: 1.75rem; height: 0.5rem; overflow: visible; vertical-align: middle; margin-right: 0.25rem; }
.swatch path { fill: none; stroke-width: 2.5; }
.overlay + .overlay { margin-top: 2.25rem; }
.overlay .plot { height: 15rem; }
.histogram .legend .curve { stroke-width: 8; stroke-dasharray: none; }
.histogram .plot { height: 13rem; }
.phases .bar { width: calc(var(--share) * 0.4); }
.figures { max-width: 34rem; }
.compared .same { color: var(--soft); }
.compared thead th:has(.swatch) { min-width: 7.5rem; white-space: normal; text-wrap: balance; }
.compared td small { white-space: nowrap; }
.state { white-space: nowrap; }
.state::before { content: ""; display: inline-block; width: 0.55em; height: 0.55em; margin-right: 0.45em; border-radius: 50%; background: var(--state); vertical-align: 0.08em; }
.state { --state: var(--soft); }
.state.running { --state: var(--accent); }
.state.finished, .state.cached { --state: var(--line-2); }
.state.cached::before { background: none; box-shadow: inset 0 0 0 2px var(--state); }
.state.failed, .state.died { --state: var(--bad); }
.state.failed::before, .state.died::before { border-radius: 0; rotate: 45deg; }
.state.interrupted { --state: var(--line-4); }
.state.interrupted::before { border-radius: 0; }
.state.waiting::before { background: none; box-shadow: inset 0 0 0 2px var(--rule); }
:root { --bad: #b3261e; } @media (prefers-color-scheme: dark) { :root { --bad: #ff9a8f; } }
.meter { display: inline-block; width: 5rem; height: 0.5rem; border-radius: 9px; background: linear-gradient(90deg, var(--accent) var(--share), var(--bar) var(--share)); vertical-align: 0.05em; }
.soft { color: var(--soft); }
.slide-control { display: flex; align-items: center; gap: 0.75rem; margin-bottom: 0.9rem; font-size: 0.925rem; }
.slide-control[hidden] { display: none; }
.slide-control input { flex: 0 1 26rem; min-width: 0; min-height: 1.75rem; }
.slide-control output { min-width: 5rem; color: var(--soft); }
.slide-strip { display: flex; gap: 1rem; overflow-x: auto; }
.slide-strip figure { margin: 0; flex: none; }
.slide-strip figcaption { color: var(--soft); font-size: 0.85rem; margin-bottom: 0.3rem; }
.slide-strip img { width: auto; max-width: min(100%, 56rem); height: auto; border-radius: var(--radius); background: #fff; }
.one-at-a-time .slide-strip { display: block; }
.one-at-a-time figure { max-width: 100%; }
.one-at-a-time figure:not(.current), .one-at-a-time figcaption { display: none; }
.configuration th.group { padding-top: 1.4rem; font-size: 1rem; font-weight: 600; }
.configuration th[scope="row"] { width: 1%; white-space: nowrap; font-weight: 400; }
.configuration td:nth-child(2) { overflow-wrap: anywhere; }
.configuration td:last-child { color: var(--soft); white-space: nowrap; }
section:has(.show-defaults:not(:checked)) .default { display: none; }
.runs td:first-child { width: 1%; }
.runs tbody th small { display: block; white-space: nowrap; }
.runs td:last-child { min-width: 12rem; }
@media (max-width: 44rem) { .runs .duration, .runs th:nth-child(4) { display: none; } }
.duration, .began { white-space: nowrap; }
.runs input { width: 1.15rem; height: 1.15rem; vertical-align: -0.15rem; }
.actions { display: flex; gap: 1.5rem; align-items: center; margin-top: 1.2rem; }
button { font: inherit; padding: 0.4rem 1.15rem; border: 1px solid var(--accent); border-radius: 99px; background: var(--accent); color: var(--page); cursor: pointer; }
.sortable thead button { padding: 0.2rem 0; border: 0; border-radius: 0; background: none; color: inherit; font-weight: inherit; text-align: inherit; }
.sortable thead button::after { content: " ↕"; color: var(--soft); }
.sortable [aria-sort="ascending"] button::after { content: " ↑"; color: inherit; }
.sortable [aria-sort="descending"] button::after { content: " ↓"; color: inherit; }
.sortable thead small { display: block; color: var(--soft); font-weight: 400; }
.sortable :is(th, td) { white-space: nowrap; }
.sortable td[data-value] { font-variant-numeric: tabular-nums; }
.state.timed-out, .state.skipped { --state: var(--line-4); }
.site { display: flex; align-items: baseline; flex-wrap: wrap; gap: 0.25rem 1.5rem; margin: 0 0 1.2rem; font-size: 0.9rem; }
.site ul { margin: 0; }
.live-note { color: var(--soft); }
`;
