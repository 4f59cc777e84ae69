import sharp, { type Sharp } from 'sharp';
import { counted, formatCount } from '../../base/format.js';
import { tellDamaged } from '../../base/sealed.js';
import { encodePng } from '../../data/images/png.js';
import type { RgbImage } from '../../data/images/rgb-image.js';
import { swatch } from '../../pages/chart/chart.js';
import { dataUrl, html, slideControl, spreadToEnd } from '../../pages/html.js';
import type { Html, Part, ReportedStage, Section } from '../../pages/html.js';
import type { ComparedPictures, KindPages } from '../../pages/kinds.js';
import { kindPages } from '../../stages/registry.js';
import { type ComparedRun, isShared, mostValues } from './compared-run.js';

/** Rows, and pictures in all, that a page holds at most: it should open quickly whatever was drawn. */
const mostRows = 50;
const mostPictures = 4000;
/** Pixels along a picture's longer side. */
const mostPixels = 256;

interface Column {
  readonly run: ComparedRun;
  readonly stage: ReportedStage;
  readonly pictures: ComparedPictures;
}

/** Columns of pictures that were put together before, by what they show. */
export type KnownPictures = Map<string, DrawnColumn>;

/**
 * A section for each stage that drew pictures in several of the runs: a column for each run, a row for each class.
 *
 * @param known columns from before, which are not put together again while they are the same; in it are those of now
 */
export async function picturesSections(
  runs: readonly ComparedRun[],
  known: KnownPictures = new Map(),
): Promise<readonly Section[]> {
  const pages = await kindPages();
  const before = new Map(known);
  known.clear();
  const ids = [...new Set(runs.flatMap(({ stages }) => stages.map(({ stage }) => stage)))];
  const sections = await Promise.all(
    ids
      .filter((id) => !isShared(id, runs))
      .map(async (id) => {
        const columns = await Promise.all(runs.map((run) => columnOf(run, id, pages)));
        const drawn = columns.filter((column) => column !== undefined);
        return drawn.length < 2 ? undefined : picturesSection(id, drawn, before, known);
      }),
  );
  // The last stages' first: results come before how they came about, which a narrow screen folds away.
  const [results, ...others] = sections.filter((section) => section !== undefined).reverse();
  return results === undefined
    ? []
    : [results, ...others.map((section) => ({ ...section, folded: 'narrow' as const }))];
}

async function columnOf(run: ComparedRun, id: string, pages: KindPages): Promise<Column | undefined> {
  const stage = run.stages.find((each) => each.stage === id);
  const read = stage && pages.get(stage.kind)?.pictures;
  const pictures = read && (await read(stage).catch(leftOut(stage)));
  return pictures && { run, stage: stage, pictures };
}

/** Says what of a stage cannot be shown. */
const leftOut =
  ({ directory }: ReportedStage) =>
  (error: unknown): undefined => {
    tellDamaged(directory, error, 'its pictures are left out');
  };

/** A class, and the number of the picture that each column shows of it; undefined where a column has none. */
interface Row {
  readonly name: string;
  readonly numbers: readonly (number | undefined)[];
}

/** The first picture of each class: of the same number in all columns where all have the same class there. */
function rowsOf(columns: readonly Column[]): readonly Row[] {
  const all = columns.map(({ pictures }) => pictures.names);
  const names = [...new Set(all.flat())];
  const every = Math.max(1, names.length / mostRows);
  const shown = names.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every));
  return shown.map((name) => {
    const common = all[0]!.findIndex((_, i) => all.every((own) => own[i] === name));
    return {
      name,
      numbers: all.map((own) => {
        const number = common >= 0 ? common : own.indexOf(name);
        return number < 0 ? undefined : number;
      }),
    };
  });
}

async function picturesSection(
  id: string,
  columns: readonly Column[],
  before: ReadonlyMap<string, DrawnColumn>,
  known: KnownPictures,
): Promise<Section> {
  const rows = rowsOf(columns);
  const most = Math.max(1, Math.floor(mostPictures / (rows.length * columns.length)));
  // With one step alone there is nothing to go through.
  const allSteps = new Set(columns.flatMap(({ pictures }) => pictures.frames.map(({ step }) => step)));
  const goesBySteps = allSteps.size > 1;
  const drawn = await Promise.all(
    columns.map(async (column, i) => {
      const frames = spreadToEnd(column.pictures.frames, most);
      const steps = frames.map(({ step }) => step);
      const numbers = rows.map((row) => row.numbers[i]);
      const key = JSON.stringify([column.stage.directory, steps, numbers, goesBySteps]);
      const own =
        before.get(key) ??
        (await drawColumn(frames, rows, i, goesBySteps).catch(leftOut(column.stage))) ??
        nothingDrawn;
      known.set(key, own);
      return own;
    }),
  );
  const steps = [...new Set(drawn.flatMap(({ frames }) => frames.map(({ step }) => step)))].sort(
    (a, b) => a - b,
  );
  const name = `pictures-${id}`;
  const last = steps.at(-1);
  return {
    id: name,
    title: columns[0]!.pictures.title,
    stage: id,
    lead: leadOf(columns, rows),
    body: html`<div class="compared-pictures" data-frames="${JSON.stringify(steps)}">
      ${steps.length > 1 && slideControl(name, steps.length - 1, last!)}
      <div class="frame" role="group" aria-label="${columns[0]!.pictures.title} of ${id}" tabindex="0">
        <table class="cells">
          <thead>
            <tr>
              <th scope="col"><span class="unseen">Class</span></th>
              ${columns.map(({ run }, i) => heading(run, last, drawn[i]!.frames.at(-1)?.step))}
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              (row, r) =>
                html`<tr>
                  <th scope="row"><bdi>${row.name}</bdi></th>
                  ${columns.map(({ run }, c) => cell(drawn[c]!, r, `${row.name}, ${run.name}`))}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      <div hidden>
        ${drawn.map(({ frames }, c) =>
          frames.map(
            ({ step, sheet }) =>
              html`<img class="sheet" data-column="${c}" data-step="${step}" src="${sheet}" alt="" />`,
          ),
        )}
      </div>
    </div>`,
  };
}

function heading({ name, line, values, figure }: ComparedRun, last?: number, step?: number): Html {
  const rest = values.length - mostValues;
  return html`<th scope="col" data-run="${line}">
    ${swatch(line)} ${values.length === 0 && html`<bdi>${name}</bdi>`}
    ${values.slice(0, mostValues).map(([key, value]) => html`<span class="set"><small>${key}</small> <bdi>${value}</bdi></span>`)}
    ${rest > 0 && html`<small>and ${formatCount(rest)} more</small>`}
    ${figure !== undefined && html`<span class="set">${figure}</span>`}
    ${last !== undefined && html`<small class="at-step">${step === undefined ? 'nothing drawn' : step !== last && `step ${formatCount(step)}`}</small>`}
  </th>`;
}

function cell({ tiles, size }: DrawnColumn, row: number, alt: string): Part {
  const source = tiles[row];
  return html`<td>
    ${source !== undefined && html`<img src="${source}" width="${size}" height="${size}" alt="${alt}" />`}
  </td>`;
}

/** Advice on what is the same in a row, and what is not. */
function leadOf(columns: readonly Column[], rows: readonly Row[]): string {
  const classes = new Set(columns.flatMap(({ pictures }) => pictures.names)).size;
  const seeds = new Set(columns.map(({ stage }) => stage.seed)).size;
  const isSame = rows.every(({ numbers }) => numbers.every((number) => number === numbers[0]));
  return [
    !isSame
      ? 'The pictures of a row show the same class. They begin with different noise, as the classes of the runs differ.'
      : seeds === 1
        ? 'The pictures of a row begin with the same noise: the same number of the same seed.'
        : 'The pictures of a row have the same number: those of the same seed begin with the same noise.',
    ...(rows.length < classes ? [`${rows.length} of ${counted(classes, 'class', 'classes')} shown.`] : []),
  ].join(' ');
}

interface DrawnColumn {
  /** The last frame, a picture for each row. */
  readonly tiles: readonly (string | undefined)[];
  /** Every frame where there are several steps, with its pictures below each other. */
  readonly frames: readonly { readonly step: number; readonly sheet: string }[];
  /** Pixels along a side of a picture. */
  readonly size: number;
}

const nothingDrawn: DrawnColumn = { tiles: [], frames: [], size: 0 };

async function drawColumn(
  frames: ComparedPictures['frames'],
  rows: readonly Row[],
  column: number,
  goesBySteps: boolean,
): Promise<DrawnColumn> {
  const shown = rows.flatMap(({ numbers }) => numbers[column] ?? []);
  const ofLast = await frames.at(-1)!.tiles(shown);
  const last = await Promise.all(ofLast.map(fitted));
  const size = last[0]?.width ?? 0;
  const own = last.map(({ source }) => source);
  const sheets = (goesBySteps ? frames : []).map(async ({ step, tiles }, i) => ({
    step: step!,
    sheet: await sheetOf(rows, column, i === frames.length - 1 ? ofLast : await tiles(shown), size),
  }));
  return {
    tiles: rows.map(({ numbers }) => (numbers[column] === undefined ? undefined : own.shift())),
    frames: await Promise.all(sheets),
    size,
  };
}

/** A picture as its pixels or as the bytes of a file. */
type Tile = RgbImage | Uint8Array;

const opened = (tile: Tile): Sharp =>
  tile instanceof Uint8Array
    ? sharp(tile)
    : sharp(tile.data, { raw: { width: tile.width, height: tile.height, channels: 3 } });

async function fitted(tile: Tile): Promise<{ readonly width: number; readonly source: string }> {
  const { width, height } = tile instanceof Uint8Array ? await sharp(tile).metadata() : tile;
  if (Math.max(width, height) <= mostPixels)
    return { width, source: dataUrl('png', tile instanceof Uint8Array ? tile : await encodePng(tile)) };
  const { data, info } = await opened(tile)
    .resize({ width: mostPixels, height: mostPixels, fit: 'inside' })
    .webp({ quality: 90 })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, source: dataUrl('webp', data) };
}

/** Pictures below each other, a place for each row. */
async function sheetOf(
  rows: readonly Row[],
  column: number,
  tiles: readonly Tile[],
  size: number,
): Promise<string> {
  const [width, height] = [size, rows.length * size];
  const data = new Uint8Array(width * height * 3).fill(255);
  const sized = await Promise.all(
    tiles.map(async (tile) =>
      !(tile instanceof Uint8Array) && tile.width === size && tile.height === size
        ? tile.data
        : opened(tile).resize(size, size).removeAlpha().toColourspace('srgb').raw().toBuffer(),
    ),
  );
  for (const [row, { numbers }] of rows.entries())
    if (numbers[column] !== undefined) data.set(sized.shift()!, row * size * size * 3);
  // More effort takes up to twenty times as long, and saves three per cent.
  const sheet = sharp(data, { raw: { width, height, channels: 3 } });
  return dataUrl('webp', await sheet.webp({ lossless: size <= 64, quality: 90, effort: 0 }).toBuffer());
}
