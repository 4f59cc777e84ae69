import { join } from 'node:path';
import { counted, formatCount } from '../../base/format.js';
import { hasFile, html, inlinePicture, readOutputJson } from '../../pages/html.js';
import type { ReportedStage, Section } from '../../pages/html.js';
import { type KindPage, picture } from '../../pages/kinds.js';

export const page: KindPage = {
  total: 'parameters',
  sections: [{ rank: 3, fromTheStart: true, build: progressionSection }, picture],
};

/** Pictures that a page holds at most, and their width: it should open quickly however long the training was. */
const mostGrids = 40;
const mostPixels = 900;

/** Folder of the pictures that a training draws on its way, with their index. */
const folder = 'samples';

interface GridIndex {
  readonly grids: readonly { readonly step: number; readonly file: string }[];
}

/**
 * Section with the drawings of a model from the same noise at points of its training: one picture with a slider over
 * the steps.
 */
async function progressionSection(stage: ReportedStage): Promise<Section | undefined> {
  if (!(await hasFile(stage, `${folder}/index.json`))) return undefined;
  const { grids } = await readOutputJson<GridIndex>(stage, `${folder}/index.json`);
  const shown = spreadToEnd(grids, mostGrids);
  if (shown.length === 0) return undefined;
  const pictures = await Promise.all(
    shown.map(async ({ step, file }) => ({
      step,
      ...(await inlinePicture(join(stage.directory, folder, file), mostPixels)),
    })),
  );
  const id = `progression-${stage.stage}`;
  const last = pictures.length - 1;
  return {
    id,
    title: 'Samples during training',
    stage: stage.stage,
    lead: [
      'The same noise and classes, drawn with the weights as they were at each step.',
      shown.length < grids.length && ` ${shown.length} of ${counted(grids.length, 'grid')} shown.`,
    ],
    body: html`<div class="slides" data-slides>
      <div class="slide-control" hidden>
        <label for="${id}-step">Step</label>
        <input
          id="${id}-step"
          type="range"
          min="0"
          max="${last}"
          value="${last}"
          aria-valuetext="step ${formatCount(shown[last]!.step)}"
        />
        <output for="${id}-step">${formatCount(shown[last]!.step)}</output>
      </div>
      <div class="slide-strip" role="group" aria-label="Samples by step" tabindex="0">
        ${pictures.map(
          ({ step, width, height, source }, i) =>
            html`<figure class="${i === last && 'current'}" data-step="${formatCount(step)}">
              <figcaption>Step ${formatCount(step)}</figcaption>
              <img
                src="${source}"
                width="${width}"
                height="${height}"
                alt="Grid of samples at step ${formatCount(step)}"
              />
            </figure>`,
        )}
      </div>
    </div>`,
  };
}

/** Selects at most `count` of the items, evenly spread, the first and the last among them. */
function spreadToEnd<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}
