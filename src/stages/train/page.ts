import { join } from 'node:path';
import sharp from 'sharp';
import { counted, formatCount } from '../../base/format.js';
import { readInput } from '../../base/input-file.js';
import { cropped, gridColumns, gridTile } from '../../data/images/png.js';
import { hasFile, html, inlinePicture, readOutputJson, slideControl, spreadToEnd } from '../../pages/html.js';
import type { ReportedStage, Section } from '../../pages/html.js';
import { type ComparedPictures, type KindPage, picture } from '../../pages/kinds.js';
import { picturesName } from '../training/files.js';

/** Index of the pictures that a training draws on its way. */
const indexName = `${picturesName}/index.json`;

export const page: KindPage = {
  total: 'parameters',
  sections: [{ rank: 3, fromTheStart: true, build: progressionSection }, picture],
  growsWith: indexName,
  pictures: comparedGrids,
};

/** Pictures that a page holds at most, and their width: it should open quickly however long the training was. */
const mostGrids = 40;
const mostPixels = 900;

interface GridIndex {
  readonly grids: readonly { readonly step: number; readonly file: string }[];
  /** Name of the class of each picture of a grid; earlier versions did not say. */
  readonly classes?: readonly string[];
}

async function readGrids(stage: ReportedStage): Promise<GridIndex | undefined> {
  if (!(await hasFile(stage, indexName))) return undefined;
  return readOutputJson<GridIndex>(stage, indexName);
}

async function comparedGrids(stage: ReportedStage): Promise<ComparedPictures | undefined> {
  const index = await readGrids(stage);
  if (index === undefined || index.grids.length === 0) return undefined;
  const { count = 0 } = (stage.config as { samples?: { count?: number } }).samples ?? {};
  const { grids, classes = Array.from({ length: count }, (_, i) => `picture ${i + 1}`) } = index;
  if (classes.length === 0) return undefined;
  const frames = grids.map(({ step, file }) => ({
    step,
    tiles: async (numbers: readonly number[]) => {
      // Decoded once for all of its pictures.
      const { data, info } = await sharp(await readInput(join(stage.directory, picturesName, file)))
        .removeAlpha()
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true });
      const grid = { data, width: info.width, height: info.height };
      return numbers.map((i) => cropped(grid, gridTile(grid.width, gridColumns(classes.length), i)));
    },
  }));
  return { title: 'Samples during training', names: classes, frames };
}

/**
 * Section with the drawings of a model from the same noise at points of its training: one picture with a slider over
 * the steps.
 */
async function progressionSection(stage: ReportedStage): Promise<Section | undefined> {
  const { grids } = (await readGrids(stage)) ?? { grids: [] };
  const shown = spreadToEnd(grids, mostGrids);
  if (shown.length === 0) return undefined;
  const pictures = await Promise.all(
    shown.map(async ({ step, file }) => ({
      step,
      ...(await inlinePicture(join(stage.directory, picturesName, file), mostPixels)),
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
      ${slideControl(id, last, shown[last]!.step)}
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
