import { seriesOf } from '../../pages/chart/axes.js';
import { distinctLines, type OverlaidCurve, overlay } from '../../pages/chart/overlay.js';
import { scaleChoice } from '../../pages/curves-section.js';
import { html, type Section } from '../../pages/html.js';
import { type ComparedRun, isShared } from './compared-run.js';

/** Runs that are overlaid at most: more would be told apart by nobody. */
export const mostOverlaid = distinctLines;

/**
 * A section for each stage that logs figures in any of the runs, with a chart for each figure. A stage of which all runs
 * have the same output is left out: its curves lie on each other.
 */
export function curveSections(runs: readonly ComparedRun[]): readonly Section[] {
  const charts = new Map<string, Map<string, OverlaidCurve[]>>();
  for (const { name, line, stages } of runs)
    for (const { stage, metrics } of stages.filter((each) => !isShared(each.stage, runs)))
      for (const series of seriesOf(metrics)) {
        const ofStage = charts.get(stage) ?? new Map<string, OverlaidCurve[]>();
        charts.set(
          stage,
          ofStage.set(series.name, [...(ofStage.get(series.name) ?? []), { name, line, series }]),
        );
      }
  return Array.from(charts, ([stage, figures]) => {
    const id = `curves-${stage}`;
    const main = figures.get('loss') ?? [...figures.values()][0]!;
    const ordered = [main, ...[...figures.values()].filter((curves) => curves !== main)];
    return {
      id,
      title: 'Training',
      stage,
      body: html`<div class="curves">
        ${scaleChoice(
          id,
          main.flatMap(({ series }) => series.values),
        )}
        ${ordered.map((curves) => overlay(curves, `${id}-${curves[0]!.series.name}`))}
      </div>`,
    };
  });
}
