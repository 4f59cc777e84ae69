import { inWords } from '../../base/format.js';
import type { MetricsRecord } from '../../formats/metrics-log.js';
import { seriesOf } from '../../pages/chart/axes.js';
import { distinctLines } from '../../pages/chart/chart.js';
import { chartsFrame, type Logged } from '../../pages/chart/frame.js';
import type { Section } from '../../pages/html.js';
import { type ComparedRun, isSeed, isShared } from './compared-run.js';

/** Runs that are overlaid at most: more would be told apart by nobody. */
export const mostOverlaid = distinctLines;
/** Runs whose curves can be chosen on a page: more would make it slow to open. */
export const mostDrawn = 60;

/**
 * A section for each stage that logs figures in any of the runs, with a chart for each figure. A stage of which all runs
 * have the same output is left out: its curves lie on each other. Runs that have one of several outputs in common have one
 * curve.
 */
export function curveSections(runs: readonly ComparedRun[]): readonly Section[] {
  const ids = [...new Set(runs.flatMap(({ stages }) => stages.map(({ stage }) => stage)))];
  return ids.flatMap((stage): readonly Section[] => {
    const logged = isShared(stage, runs) ? [] : loggedIn(stage, runs);
    const id = `curves-${stage}`;
    return logged.length === 0
      ? []
      : [{ id, title: 'Training', stage, folded: 'narrow', body: chartsFrame(id, logged) }];
  });
}

/** Curves of a stage: one for each output that any of the runs has. */
function loggedIn(id: string, runs: readonly ComparedRun[]): readonly Logged[] {
  const outputs = new Map<
    string,
    { readonly metrics: readonly MetricsRecord[]; readonly own: ComparedRun[] }
  >();
  for (const run of runs) {
    const { directory, metrics } = run.stages.find(({ stage }) => stage === id) ?? {};
    if (directory === undefined || metrics === undefined || seriesOf(metrics).length === 0) continue;
    const known = outputs.get(directory) ?? { metrics, own: [] };
    known.own.push(run);
    outputs.set(directory, known);
  }
  return Array.from(outputs.values(), ({ metrics, own }) => ({ ...nameOf(own), metrics }));
}

/** Name of the curves that runs have in common: what the runs have in common. */
function nameOf(own: readonly ComparedRun[]): Omit<Logged, 'metrics'> {
  const { name, line, seeds, values } = own[0]!;
  if (own.length === 1) return { name, line, seeds };
  const common = values.filter(([key, value]) =>
    own.every((run) => run.values.some((other) => other[0] === key && other[1] === value)),
  );
  const inText = (pairs: typeof common): string => pairs.map((pair) => pair.join(' ')).join(', ');
  return {
    name: common.length > 0 ? inText(common) : inWords(own.map((run) => run.name)),
    line,
    runs: own.map((run) => run.line),
    seeds: seeds === undefined ? undefined : inText(common.filter(([key]) => !isSeed(key))),
  };
}
