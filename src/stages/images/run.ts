import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { concat, concatMap, defer, from, ignoreElements, of, switchMap, takeWhile } from 'rxjs';
import type { Observable } from 'rxjs';
import { counted, formatCount } from '../../base/format.js';
import { writeFileWhole } from '../../base/output-file.js';
import { integers, prefetch } from '../../base/prefetch.js';
import { abortable, everyMs, fromWork, progress } from '../../base/streams.js';
import { halfChroma } from '../../data/images/file-facts.js';
import { writeImageIndex } from '../../data/images/image-index.js';
import { scanImages } from '../../data/images/scan.js';
import { openSource } from '../../data/images/source.js';
import type { LabelledImages } from '../../data/images/walk.js';
import { commitOf } from '../../formats/hub/repository.js';
import type { ImagesConfig } from '../../generated/index.js';
import { fingerprintedFiles } from '../../runner/run/expected-reads.js';
import { isProgress, type StageContext, type StageEvent } from '../../runner/stage.js';
import { downloadProgress } from '../pretrained/place.js';
import { Examination, examineImage, OutcomeLog, type SkippedImage } from './examination.js';
import { hubImages, locate } from './facts.js';
import type { FetchedImages } from './hub.js';
import type { Survey } from './survey.js';

/**
 * Finds labelled images, opens every one of them, and writes the list of those that can be used:
 * `index.jsonl` and `set.json` (read by `ImageDataset`), and `skipped.json`. Interrupted, it goes on where it was.
 */
export function run(config: ImagesConfig, context: StageContext): Observable<StageEvent> {
  const { classes } = config;
  let fetched: FetchedImages | undefined;
  return concat(
    fromWork<StageEvent>(async (tell, signal) => {
      fetched = await fetchFromHub(config, context, signal, tell);
    }).pipe(everyMs(200, isProgress)),
    defer(() =>
      scanImages({
        ...locate(config, context.pipelineDirectory),
        ...(fetched && { location: fetched.places }),
        ...(classes && { classes }),
        runsRoot: context.reads?.runsRoot,
      }),
    ).pipe(
      switchMap((found) =>
        concat(
          noticeOfPassedOver(found),
          warnings(found),
          noticeOfOneClass(found, config),
          examine(found, config, context, fetched),
        ),
      ),
    ),
  ).pipe(abortable<StageEvent>(context.signal));
}

/** Brings images on Hugging Face to this machine; nothing where they are on it. */
async function fetchFromHub(
  config: ImagesConfig,
  { pins, reads }: StageContext,
  signal: AbortSignal,
  tell: (event: StageEvent) => void,
): Promise<FetchedImages | undefined> {
  const hub = hubImages(config);
  if (hub === undefined) return undefined;
  return (await import('./hub.js')).fetchImages(hub, pins?.path && commitOf(pins.path), {
    signal,
    runsRoot: reads?.runsRoot,
    onProgress: downloadProgress(tell),
  });
}

/** Number of images that are decoded at once. */
const decodedAtOnce = 2 * availableParallelism();

function examine(
  found: LabelledImages,
  config: ImagesConfig,
  context: StageContext,
  fetched: FetchedImages | undefined,
): Observable<StageEvent> {
  const examination = new Examination(found.base, config);
  const total = found.paths.length;
  return defer(async () => {
    let start = 0;
    const log = await OutcomeLog.open(context.directory, (outcome) => {
      examination.add(outcome);
      start++;
    });
    return { log, start, source: await openSource({ ...found, expected: fetched?.expected }) };
  }).pipe(
    switchMap(({ log, start, source }) =>
      concat(
        prefetch(integers(start, total), decodedAtOnce, (index) =>
          examineImage(source, found, index, config),
        ).pipe(
          concatMap(async (outcome) => {
            examination.add(outcome);
            await log.add(outcome);
            return 1;
          }),
          takeWhile(() => !examination.isHopeless),
          progress({ total, unit: 'images', start, count: (examined) => examined }),
          everyMs(200),
        ),
        defer(() => finish(found, examination, config, context, fetched?.commit)).pipe(
          switchMap((events) => from(events)),
        ),
        defer(() => log.remove()).pipe(ignoreElements()),
      ),
    ),
  );
}

async function finish(
  found: LabelledImages,
  examination: Examination,
  { size, background, orientation, labels }: ImagesConfig,
  { directory, reads }: StageContext,
  revision: string | undefined,
): Promise<StageEvent[]> {
  const { classes } = found;
  // The folder of the images comes first of the stage's inputs.
  if (reads !== undefined && found.contained === undefined)
    await examination.mustBe(await fingerprintedFiles(reads, reads.contents[0]!), found, labels);
  examination.check(classes);
  const { usable, skipped } = examination;
  await writeFileWhole(join(directory, 'skipped.json'), JSON.stringify(skipped, undefined, 1) + '\n');
  const contained = found.contained && { ...found.contained, ...(revision !== undefined && { revision }) };
  await writeImageIndex(
    directory,
    { size, background, orientation, classes, count: usable.length, ...(contained && { contained }) },
    usable,
  );
  const survey = examination.surveyor.result(usable);
  const perClass = new Array<number>(classes.length).fill(0);
  for (const { label } of usable) perClass[label]!++;
  const values = {
    ...(revision !== undefined && { revision }),
    images: usable.length,
    classes,
    perClass: Object.fromEntries(classes.map((name, label) => [name, perClass[label]!])),
    size,
    skipped: skipped.length,
    files: { ...survey },
  };
  return [...noticesOfSkipped(skipped), ...noticesOfSurvey(survey, orientation), { type: 'summary', values }];
}

function noticeOfPassedOver({ passedOver }: LabelledImages): Observable<StageEvent> {
  if (passedOver.size === 0) return of();
  const named = [...passedOver].sort(([, a], [, b]) => b - a);
  const total = named.reduce((sum, [, count]) => sum + count, 0);
  const endings = named.map(([ending, count]) => `${formatCount(count)} ${ending || 'without an ending'}`);
  const message = `Passed over ${counted(total, 'file')}, in no class folder or of no format that is read: ${endings.join(', ')}.`;
  return of({ type: 'notice', level: 'warning', message });
}

function warnings({ warnings = [] }: LabelledImages): Observable<StageEvent> {
  return from(warnings.map((message): StageEvent => ({ type: 'notice', level: 'warning', message })));
}

function noticeOfOneClass({ classes }: LabelledImages, { labels }: ImagesConfig): Observable<StageEvent> {
  const message = `All images are of one class, "${classes[0]!}": models are trained as without classes, and guidance by the class is impossible.`;
  return classes.length === 1 && labels !== 'none' ? of({ type: 'notice', level: 'warning', message }) : of();
}

function noticesOfSurvey(
  { turned, duplicates, inOtherClasses, colours }: Survey,
  orientation: ImagesConfig['orientation'],
): StageEvent[] {
  const treatment =
    orientation === 'apply'
      ? 'they are brought upright'
      : 'their pixels are taken as they are stored (`orientation: apply` brings them upright), but those of TIFF upright';
  const others = inOtherClasses === 0 ? '' : `, ${formatCount(inOtherClasses)} of them in another class`;
  const soft = Object.entries(colours).reduce(
    (sum, [name, count]) => sum + (name.endsWith(halfChroma) ? count : 0),
    0,
  );
  return [
    ...(soft === 0
      ? []
      : [
          notice(
            'info',
            `${counted(soft, 'AVIF image')} with colour at half the resolution: beside hard edges, colours differ from those that Pillow decodes.`,
          ),
        ]),
    ...(turned === 0
      ? []
      : [notice('info', `${counted(turned, 'image')} turned or mirrored by EXIF data: ${treatment}.`)]),
    ...(duplicates === 0
      ? []
      : [
          notice(
            inOtherClasses === 0 ? 'info' : 'warning',
            `${counted(duplicates, 'duplicate')}, every byte that of an image before${others}.`,
          ),
        ]),
  ];
}

function notice(level: 'info' | 'warning', message: string): StageEvent {
  return { type: 'notice', level, message };
}

function noticesOfSkipped(skipped: readonly SkippedImage[], most = 20): StageEvent[] {
  const rest = skipped.length - most;
  const messages = skipped.slice(0, most).map(({ path, reason }) => `Left out ${path}: ${reason}.`);
  if (rest > 0) messages.push(`Left out ${rest} more; all are in skipped.json.`);
  return messages.map((message) => ({ type: 'notice', level: 'warning', message }));
}
