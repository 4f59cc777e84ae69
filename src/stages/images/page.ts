import { counted, formatCount, formatNumber } from '../../base/format.js';
import { hasFile, html, readOutputJson } from '../../pages/html.js';
import type { Html, ReportedStage, Section } from '../../pages/html.js';
import type { KindPage } from '../../pages/kinds.js';
import type { Survey } from './survey.js';
import { bar, table } from '../../pages/table.js';

export const page: KindPage = { total: 'images', sections: [{ rank: 6, build: imagesSection }] };

export const latentsPage: KindPage = { total: 'latents', sections: [{ rank: 6, build: latentsSection }] };

/** Classes shown at once; the rest is folded away. */
const shownClasses = 24;
const mostSkipped = 200;

interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

/** Section with the number of images in each class, and the files that were left out. */
async function imagesSection(stage: ReportedStage): Promise<Section> {
  const perClass = perClassOf(stage);
  const skipped = (await hasFile(stage, 'skipped.json'))
    ? await readOutputJson<readonly SkippedFile[]>(stage, 'skipped.json')
    : [];
  const { images, size } = stage.summary;
  const survey = stage.summary.files as unknown as Survey | undefined;
  return {
    id: `images-${stage.stage}`,
    title: 'Images',
    stage: stage.stage,
    folded: 'narrow',
    lead: [
      typeof images === 'number' && counted(images, 'image'),
      ` in ${counted(perClass.length, 'class', 'classes')}`,
      typeof size === 'number' && `, brought to ${size} × ${size} px`,
      skipped.length === 0 ? '. None was left out.' : `. ${counted(skipped.length, 'file')} left out.`,
    ],
    body: html`${classBars(perClass, 'Images')} ${survey !== undefined && surveyTable(survey)}
    ${skipped.length > 0 && skippedFiles(skipped)}`,
  };
}

/** Section with the latents of another program: how many of each class, and their statistics. */
function latentsSection(stage: ReportedStage): Section {
  const perClass = perClassOf(stage);
  const { latents, form, shape, mirrored, mean, std } = stage.summary as unknown as LatentsSummary;
  return {
    id: `latents-${stage.stage}`,
    title: 'Latents',
    stage: stage.stage,
    lead: [
      `${counted(latents, 'latent')} of ${shape.join(' × ')} in ${counted(perClass.length, 'class', 'classes')}, as ${form} stores them, `,
      mirrored ? 'with mirrored ones.' : 'without mirrored ones.',
    ],
    body: html`${classBars(perClass, 'Latents')}
    ${table({
      caption: 'Channels of the latents',
      columns: ['Channel', 'Mean', 'Deviation'],
      rows: mean.map((value, i) => [String(i + 1), formatNumber(value), formatNumber(std[i]!)]),
    })}`,
  };
}

interface LatentsSummary {
  readonly latents: number;
  readonly form: string;
  readonly shape: readonly number[];
  readonly mirrored: boolean;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

type PerClass = readonly (readonly [name: string, count: number])[];

const perClassOf = (stage: ReportedStage): PerClass =>
  Object.entries((stage.summary.perClass ?? {}) as Readonly<Record<string, number>>);

function classBars(perClass: PerClass, what: string): Html {
  const most = Math.max(1, ...perClass.map(([, count]) => count));
  const [shown, folded] = [perClass.slice(0, shownClasses), perClass.slice(shownClasses)];
  return html`${bars(shown, most, `${what} of each class`, what)}
  ${
    folded.length > 0 &&
    html`<details>
      <summary>${counted(folded.length, 'more class', 'more classes')}</summary>
      ${bars(folded, most, `${what} of each further class`, what)}
    </details>`
  }`;
}

function bars(classes: PerClass, most: number, caption: string, what: string): Html {
  return table({
    kind: 'bars',
    caption,
    columns: ['Class', what],
    rows: classes.map(([name, count]) => [html`<bdi>${name}</bdi>`, [bar(count / most), formatCount(count)]]),
  });
}

function surveyTable(survey: Survey): Html {
  const counts = (each: Readonly<Record<string, number>>) =>
    Object.entries(each)
      .map(([name, count]) => `${name} ${formatCount(count)}`)
      .join(', ');
  const sizes = (quartiles: readonly number[]) =>
    `${formatCount(quartiles[0]!)} to ${formatCount(quartiles[4]!)} px, half of them from ${formatCount(quartiles[1]!)} to ${formatCount(quartiles[3]!)}, median ${formatCount(quartiles[2]!)}`;
  return html`<details>
    <summary>Files of the images</summary>
    ${table({
      label: 'Files of the images',
      columns: ['Property', 'Files'],
      rows: [
        ['Formats', counts(survey.formats)],
        ['Colours', counts(survey.colours)],
        ['Widths', sizes(survey.widths)],
        ['Heights', sizes(survey.heights)],
        ['Turned or mirrored by EXIF data', formatCount(survey.turned)],
        ['With transparency', formatCount(survey.withAlpha)],
        ['With several frames or pages', formatCount(survey.several)],
        ['Duplicates by content', formatCount(survey.duplicates)],
        ['Duplicates in another class', formatCount(survey.inOtherClasses)],
      ],
    })}
  </details>`;
}

function skippedFiles(skipped: readonly SkippedFile[]): Html {
  const rest = skipped.length - mostSkipped;
  return html`<details>
    <summary>${counted(skipped.length, 'file')} left out</summary>
    <ul class="files">
      ${skipped.slice(0, mostSkipped).map(({ path, reason }) => html`<li><code>${path}</code> ${reason}</li>`)}
      ${rest > 0 && html`<li>and ${formatCount(rest)} more</li>`}
    </ul>
  </details>`;
}
