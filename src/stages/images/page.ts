import { counted, formatCount } from '../../base/format.js';
import {
  hasFile,
  type Html,
  html,
  readOutputJson,
  type ReportedStage,
  type Section,
} from '../../pages/html.js';
import type { KindPage } from '../../pages/kinds.js';
import type { Survey } from './survey.js';
import { bar, table } from '../../pages/table.js';

export const page: KindPage = { total: 'images', sections: [{ rank: 6, build: imagesSection }] };

/** Classes shown at once; the rest is folded away. */
const shownClasses = 24;
const mostSkipped = 200;

interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

/** Section with the number of images in each class, and the files that were left out. */
async function imagesSection(stage: ReportedStage): Promise<Section> {
  const perClass = Object.entries((stage.summary.perClass ?? {}) as Readonly<Record<string, number>>);
  const skipped = (await hasFile(stage, 'skipped.json'))
    ? await readOutputJson<readonly SkippedFile[]>(stage, 'skipped.json')
    : [];
  const { images, size } = stage.summary;
  const survey = stage.summary.files as unknown as Survey | undefined;
  const most = Math.max(1, ...perClass.map(([, count]) => count));
  const [shown, folded] = [perClass.slice(0, shownClasses), perClass.slice(shownClasses)];
  return {
    id: `images-${stage.stage}`,
    title: 'Images',
    stage: stage.stage,
    lead: [
      typeof images === 'number' && counted(images, 'image'),
      ` in ${counted(perClass.length, 'class', 'classes')}`,
      typeof size === 'number' && `, brought to ${size} × ${size} px`,
      skipped.length === 0 ? '. None was left out.' : `. ${counted(skipped.length, 'file')} left out.`,
    ],
    body: html`${bars(shown, most, 'Images of each class')}
    ${
      folded.length > 0 &&
      html`<details>
        <summary>${counted(folded.length, 'more class', 'more classes')}</summary>
        ${bars(folded, most, 'Images of each further class')}
      </details>`
    }
    ${survey !== undefined && surveyTable(survey)} ${skipped.length > 0 && skippedFiles(skipped)}`,
  };
}

function bars(
  classes: readonly (readonly [name: string, count: number])[],
  most: number,
  caption: string,
): Html {
  return table({
    kind: 'bars',
    caption,
    columns: ['Class', 'Images'],
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
  return table({
    caption: 'Files of the images',
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
  });
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
