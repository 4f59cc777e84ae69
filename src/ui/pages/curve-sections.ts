import { seriesOf } from '../../pages/chart/axes.js';
import { distinctLines } from '../../pages/chart/chart.js';
import { chartsFrame, type Logged } from '../../pages/chart/frame.js';
import type { Section } from '../../pages/html.js';
import { type ComparedRun, isShared } from './compared-run.js';

/** Runs that are overlaid at most: more would be told apart by nobody. */
export const mostOverlaid = distinctLines;
/** Runs whose curves can be chosen on a page: more would make it slow to open. */
export const mostDrawn = 60;

/**
 * A section for each stage that logs figures in any of the runs, with a chart for each figure. A stage of which all runs
 * have the same output is left out: its curves lie on each other.
 */
export function curveSections(runs: readonly ComparedRun[]): readonly Section[] {
  const logged = new Map<string, Logged[]>();
  for (const { name, line, seeds, stages } of runs)
    for (const { stage, metrics } of stages.filter((each) => !isShared(each.stage, runs)))
      if (seriesOf(metrics).length > 0)
        logged.set(stage, [...(logged.get(stage) ?? []), { name, line, seeds, metrics }]);
  return Array.from(logged, ([stage, own]) => {
    const id = `curves-${stage}`;
    return { id, title: 'Training', stage, body: chartsFrame(id, own) };
  });
}
