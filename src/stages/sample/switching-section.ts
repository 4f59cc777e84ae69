import { counted, formatCount, formatNumber } from '../../base/format.js';
import { acrossLabels, linearScale, round, rules, side, valueLabels } from '../../pages/chart/axes.js';
import { swatch } from '../../pages/chart/chart.js';
import { hasFile, html, readOutputJson } from '../../pages/html.js';
import type { Html, Part, ReportedStage, Section } from '../../pages/html.js';
import { bar, table } from '../../pages/table.js';

const file = 'switches.json';

/** Section about when samples went from one phase to the next, and how much that saved. */
export async function switchingSection(stage: ReportedStage): Promise<Section | undefined> {
  if (!(await hasFile(stage, file))) return undefined;
  const switches = await readOutputJson<Switches>(stage, file);
  const { phases, samples, savedFraction } = switches;
  if (phases.length < 2 || samples.length === 0) return undefined;
  const id = `switching-${stage.stage}`;
  return {
    id,
    title: 'Switching',
    stage: stage.stage,
    lead: html`<strong>${formatNumber(savedFraction * 100)} %</strong> of the multiply-accumulates saved
      against the last phase at every step, over ${counted(samples.length, 'sample')}.`,
    body: html`<div class="switching">${histogram(switches, id)} ${phaseTable(switches)}</div>`,
  };
}

function histogram(switches: Switches, id: string): Html {
  const bins = countSwitches(switches);
  const kinds = switches.phases.length - 1;
  const most = bins.reduce((sum, { counts }) => Math.max(sum, ...counts), 1);
  const x = linearScale(0, switches.steps, 6);
  const y = linearScale(0, most, Math.min(4, most));
  return html`<figure class="chart large histogram" id="${id}-histogram">
    <figcaption><span class="chart-name">Samples by the step at which they switch</span></figcaption>
    <ul class="legend">
      ${Array.from({ length: kinds }, (_, k) => html`<li>${swatch(k)} ${switchName(switches, k)}</li>`)}
    </ul>
    <div class="plot">
      <div class="ticks" aria-hidden="true">${valueLabels(y)} ${acrossLabels('step', x)}</div>
      <div class="canvas">
        <svg
          viewBox="0 0 ${side} ${side}"
          preserveAspectRatio="none"
          role="img"
          aria-label="${describe(switches, bins)}"
        >
          ${rules(y)}
          ${bins.flatMap(({ from, to, counts }) =>
            counts.map((count, k) => {
              const slot = ((to - from) / switches.steps / kinds) * side;
              const left = (from / switches.steps) * side + k * slot;
              const height = y.place(count) * side;
              return (
                count > 0 &&
                html`<rect
                  class="count line-${k}"
                  x="${round(left + slot * 0.08)}"
                  y="${round(side - height)}"
                  width="${round(slot * 0.84)}"
                  height="${round(height)}"
                />`
              );
            }),
          )}
        </svg>
      </div>
    </div>
    ${countTable(switches, bins)}
  </figure>`;
}

function countTable(switches: Switches, bins: readonly Bin[]): Html {
  const kinds = switches.phases.slice(1);
  const filled = bins.filter(({ counts }) => counts.some((count) => count > 0));
  return html`<details>
    <summary>Numbers<span class="unseen"> of the switches</span></summary>
    ${table({
      label: 'Samples that switch, by step',
      columns: ['Steps', ...kinds.map((_, k) => ({ heading: switchName(switches, k) }))],
      rows: filled.map(({ from, to, counts }) => [
        from + 1 === to ? formatCount(to) : `${formatCount(from + 1)}–${formatCount(to)}`,
        ...counts.map(formatCount),
      ]),
    })}
  </details>`;
}

function phaseTable(switches: Switches): Html {
  const { phases, steps, switchRatios } = switches;
  const means = phaseSteps(switches);
  return table({
    label: 'Phases',
    kind: 'phases',
    columns: ['Phase', 'Model', 'Mediators', 'GFLOPs a step', 'Leaves below', 'Steps a sample, on average'],
    rows: phases.map(({ stage, mediators, multiplyAccumulates }, i) => [
      i + 1,
      stage,
      mediatorText(mediators),
      formatNumber(multiplyAccumulates / 1e9),
      i < switchRatios.length ? `${formatNumber(switchRatios[i]!)} of the mean` : '–',
      [bar(means[i]! / steps), formatNumber(means[i]!)],
    ]),
  });
}

function mediatorText(mediators: Switches['phases'][number]['mediators']): string {
  if (typeof mediators === 'number') return mediators === 0 ? 'none' : formatCount(mediators);
  return new Set(mediators).size === 1 ? mediatorText(mediators[0]!) : mediators.join(', ');
}

function switchName({ phases }: Switches, k: number): Part {
  return `${phases[k]!.stage} to ${phases[k + 1]!.stage}`;
}

function describe(switches: Switches, bins: readonly Bin[]): string {
  const kinds = switches.phases.slice(1).map((_, k) => {
    const total = bins.reduce((sum, { counts }) => sum + counts[k]!, 0);
    const peak = bins.reduce((a, b) => (b.counts[k]! > a.counts[k]! ? b : a));
    return `${String(switchName(switches, k))}: ${counted(total, 'sample')}, most at steps ${peak.from + 1} to ${peak.to}`;
  });
  return `Histogram of the steps at which samples switch. ${kinds.join('; ')}.`;
}

/** Content of the `switches.json` of a `sample` stage with phases: its samples' switches. */
interface Switches {
  readonly firstSteps: number;
  readonly distance: string;
  /** Part of the mean distance, for each phase but the last, below which it is left. */
  readonly switchRatios: readonly number[];
  readonly steps: number;
  readonly phases: readonly {
    readonly stage: string;
    /** Mediators in every block, or block by block; 0 is full attention. */
    readonly mediators: number | readonly number[];
    /** Cost of one evaluation of the model for one sample. */
    readonly multiplyAccumulates: number;
  }[];
  /** Steps at which each sample made each switch, or null where it did not. */
  readonly samples: readonly (readonly (number | null)[])[];
  /** Part of the multiply-accumulates saved over all samples, 0 to 1. */
  readonly savedFraction: number;
}

/** Steps after `from` up to and with `to`, and how many samples made each of the switches there. */
interface Bin {
  readonly from: number;
  readonly to: number;
  readonly counts: readonly number[];
}

const mostBins = 50;

/** Counts the switches of all samples by step, in bins of equal width. */
function countSwitches({ steps, phases, samples }: Switches): Bin[] {
  const width = Math.max(1, Math.ceil(steps / mostBins));
  const counts = Array.from({ length: Math.ceil(steps / width) }, () =>
    Array.from({ length: phases.length - 1 }, () => 0),
  );
  for (const switches of samples)
    switches.forEach((step, k) => {
      if (step === null) return;
      const bin = Math.min(counts.length - 1, Math.max(0, Math.floor((step - 1) / width)));
      counts[bin]![k]!++;
    });
  return counts.map((own, i) => ({ from: i * width, to: Math.min(steps, (i + 1) * width), counts: own }));
}

/** Mean number of steps that samples spend in each phase; they sum to all steps. */
function phaseSteps({ steps, phases, samples }: Switches): number[] {
  const sums = phases.map(() => 0);
  for (const switches of samples) {
    let start = 0;
    for (let phase = 0; phase < phases.length; phase++) {
      const end = phase < phases.length - 1 ? (switches[phase] ?? steps) : steps;
      sums[phase]! += Math.max(0, end - start);
      start = Math.max(start, end);
    }
  }
  return sums.map((sum) => sum / Math.max(1, samples.length));
}
