import { join } from 'node:path';
import { counted, formatNumber } from '../../base/format.js';
import { readInput } from '../../base/input-file.js';
import { hasFile, html, inlinePicture, readOutputJson } from '../../pages/html.js';
import type { Html, Part, Picture, ReportedStage, Section } from '../../pages/html.js';
import type { KindPage } from '../../pages/kinds.js';
import { picturesName, sampleName } from './names.js';
import { switchingSection } from './switching-section.js';

export const page: KindPage = {
  total: 'samples',
  sections: [
    { rank: 1, build: samplesSection },
    { rank: 2, build: switchingSection },
  ],
  pictures: async (stage) => {
    if (!(await hasFile(stage, 'samples.json'))) return undefined;
    const { classes, labels } = await readOutputJson<SampleIndex>(stage, 'samples.json');
    return {
      title: 'Samples',
      names: labels.map((label) => classes[label]!),
      frames: [{ tiles: (numbers) => Promise.all(numbers.map((i) => readInput(pathOf(stage, i)))) }],
    };
  },
};

/** Rows and pictures a row that a page shows at most: it should open quickly whatever was drawn. */
const mostClasses = 50;
const mostOfClass = 12;
const mostPixels = 192;

/** More rows than these stand beside each other, their pictures small; the more so the fewer pictures a row has. */
const fewRows = 12;
const fewNarrowRows = 6;
const narrow = 5;
/** Rows that are shown of such ones; the rest is folded away. */
const shownRows = 16;

/** Content of the `samples.json` of a `sample` stage. */
interface SampleIndex {
  readonly size: number;
  readonly classes: readonly string[];
  /** Index of each sample's class. */
  readonly labels: readonly number[];
}

interface Row {
  readonly name: string;
  readonly count: number;
  readonly pictures: readonly Picture[];
}

/** Samples by class, a row for each. */
async function samplesSection(stage: ReportedStage): Promise<Section> {
  const index = await readOutputJson<SampleIndex>(stage, 'samples.json');
  const present = index.classes.flatMap((name, label) => {
    const samples = index.labels.flatMap((of, sample) => (of === label ? [sample] : []));
    return samples.length === 0 ? [] : [{ name, samples }];
  });
  const rows: Row[] = [];
  for (const { name, samples } of spread(present, mostClasses)) {
    const shown = samples.slice(0, mostOfClass);
    const pictures = await Promise.all(
      shown.map((sample) => inlinePicture(pathOf(stage, sample), mostPixels)),
    );
    rows.push({ name, count: samples.length, pictures });
  }
  const id = `samples-${stage.stage}`;
  return {
    id,
    title: 'Samples',
    stage: stage.stage,
    lead: leadOf(stage, index, rows.length, present.length),
    body: html`${index.size < 128 && pixelsSwitch(id)} ${gridOf(rows)}`,
  };
}

function gridOf(rows: readonly Row[]): Html {
  const columns = Math.max(...rows.map(({ pictures }) => pictures.length));
  const isNarrow = columns <= narrow;
  const isCompact = rows.length > (isNarrow ? fewNarrowRows : fewRows);
  const form = { columns, kind: isCompact ? (isNarrow ? ' compact narrow' : ' compact') : '' };
  if (!isCompact || rows.length <= shownRows + narrow) return rowsOf(rows, form);
  return html`${rowsOf(rows.slice(0, shownRows), form)}
    <details>
      <summary>${counted(rows.length - shownRows, 'more class', 'more classes')}</summary>
      ${rowsOf(rows.slice(shownRows), form)}
    </details>`;
}

function rowsOf(
  rows: readonly Row[],
  { columns, kind }: { readonly columns: number; readonly kind: string },
): Html {
  return html`<div class="samples${kind}" style="--columns:${columns}">
    ${rows.map(
      ({ name, count, pictures }) =>
        html`<div class="sample-row" role="group" aria-label="${name}">
          <h3>
            <bdi>${name}</bdi
            >${count > pictures.length && html` <small>${pictures.length} of ${counted(count, 'sample')}</small>`}
          </h3>
          <div class="tiles">
            ${pictures.map(
              ({ width, height, source }, i) =>
                html`<img
                  src="${source}"
                  width="${width}"
                  height="${height}"
                  alt="${name}, sample ${i + 1}"
                />`,
            )}
          </div>
        </div>`,
    )}
  </div>`;
}

function pixelsSwitch(id: string): Html {
  return html`<label class="switch"
    ><input type="checkbox" class="show-pixels" id="${id}-pixels" /> Show single pixels</label
  >`;
}

function leadOf({ config }: ReportedStage, index: SampleIndex, shown: number, present: number): Part {
  const { sampler, guidanceScale, weights } = config as {
    sampler?: { kind: string; steps: number };
    guidanceScale?: number;
    weights?: string;
  };
  const facts = [
    `${counted(index.labels.length, 'sample')} of ${index.size} × ${index.size} px`,
    sampler && `${counted(sampler.steps, 'step')} of the ${sampler.kind.toUpperCase()}`,
    guidanceScale !== undefined &&
      (guidanceScale === 1 ? 'no guidance' : `guidance ${formatNumber(guidanceScale)}`),
    weights !== undefined &&
      ({ ema: 'averaged weights', best: 'the average that did best' }[weights] ?? 'last weights'),
    shown < present && `${shown} of ${counted(present, 'class', 'classes')} shown`,
  ];
  return facts.filter(Boolean).join(' · ');
}

/** Selects at most `count` of the items, evenly spread. */
function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}

function pathOf({ directory }: ReportedStage, sample: number): string {
  return join(directory, picturesName, sampleName(sample));
}
