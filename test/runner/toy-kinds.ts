import { openSync, readdirSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { catchError, concat, concatMap, defer, from, type Observable, of, range } from 'rxjs';
import { UserError } from '../../src/base/errors.js';
import { abortable } from '../../src/base/streams.js';
import type { StageContext, StageEvent, StageKind, StageRegistry } from '../../src/runner/stage.js';
import { pipelineRules } from '../../src/stages/registry.js';

/**
 * Stage kinds without tensors, under the names of the real ones so that real pipeline files can name them.
 * `images` writes the names in its folder; `train` and `autoencoder` count to `steps`, slowly, keeping their place in a file, and take
 * TOY_SAVE_MS to save when they are interrupted; `encode` warns; `report` writes a page. Every session of a stage appends a line to the file that TOY_SESSIONS names. Where the folder that TOY_BREAK names has a file
 * with the id of a stage that counts, it fails as often as the number in it says, dies where it says `die`, or fails after a while, each time, where it says `late`.
 */
export function toyRegistry(
  overrides: Partial<Record<string, Partial<StageKind<never>>>> = {},
): StageRegistry {
  const kinds: Record<string, StageKind<never>> = {
    images,
    autoencoder: { ...train, name: 'autoencoder' },
    encode,
    train,
    report,
  };
  return {
    rules: pipelineRules,
    names: Object.keys(kinds),
    load: (name) => Promise.resolve({ ...kinds[name]!, ...overrides[name] } as unknown as StageKind<unknown>),
  };
}

async function noteSession(context: StageContext, what: string): Promise<void> {
  const path = process.env.TOY_SESSIONS;
  const { CUDA_VISIBLE_DEVICES: gpu } = process.env;
  if (path !== undefined)
    await appendFile(path, `${context.id} ${what}${gpu === undefined ? '' : ` on ${gpu}`}\n`);
}

async function breakIfAsked({ id }: StageContext): Promise<void> {
  const folder = process.env.TOY_BREAK;
  if (folder === undefined) return;
  const file = join(folder, id);
  const text = await readFile(file, 'utf8').catch(() => '0');
  if (text === 'die') {
    process.stderr.write('The toy has died.\n');
    process.exit(3);
  }
  if (text === 'late') {
    await sleep(4000);
    throw new UserError({ code: 'toy-broken', message: 'The toy is broken.', remedy: 'Mend it.' });
  }
  if (Number(text) === 0) return;
  await writeFile(file, String(Number(text) - 1));
  throw new UserError({ code: 'toy-broken', message: 'The toy is broken.', remedy: 'Mend it.' });
}

/** Uses up the descriptors of this process, where the test asks for it. */
function takeDescriptors(): void {
  while (process.env.TOY_NO_DESCRIPTORS !== undefined) openSync('/dev/null', 'r');
}

const images: StageKind<never> = {
  name: 'images',
  codeVersion: 1,
  figures: ['images'],
  amounts: ['images'],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: (config: { path: string }, directory) => [resolve(directory, config.path)],
  run: (config: { path: string }, context) =>
    defer(async () => {
      await noteSession(context, 'start');
      takeDescriptors();
      const names = readdirSync(resolve(context.pipelineDirectory, config.path)).sort();
      if (names.length === 0)
        throw new UserError({
          code: 'images-folder-empty',
          message: `${config.path}: expected images, found none.`,
          remedy: 'Put images there.',
        });
      await writeFile(join(context.directory, 'names.txt'), `${names.join('\n')}\n`);
      return names.length;
    }).pipe(
      concatMap((count): StageEvent[] => [
        { type: 'progress', done: count, total: count, unit: 'images' },
        { type: 'summary', values: { images: count } },
      ]),
    ),
};

interface TrainConfig {
  steps: number;
  learningRate?: number;
}

const train: StageKind<never> = {
  name: 'train',
  codeVersion: 3,
  figures: ['loss', 'steps'],
  amounts: ['steps'],
  headlines: [{ name: 'loss', better: 'less', within: ['latents', 'timesteps'] }],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  externalInputs: () => [],
  describe: (config: TrainConfig) => Promise.resolve([{ label: 'steps', value: String(config.steps) }]),
  run: (config: TrainConfig, context): Observable<StageEvent> => {
    const file = join(context.directory, 'steps.txt');
    return from(
      readFile(file, 'utf8').then(
        async (text) => {
          const lines = text.split('\n').slice(0, -1);
          // What a full disk cut short is taken back.
          await writeFile(file, lines.map((line) => `${line}\n`).join(''));
          return lines.length;
        },
        () => 0,
      ),
    ).pipe(
      concatMap((start) =>
        concat(
          defer(async () => {
            await noteSession(context, start === 0 ? 'start' : `continue`);
            await breakIfAsked(context);
            return { type: 'progress', done: start, total: config.steps, unit: 'steps' } as const;
          }),
          range(start, Math.max(config.steps - start, 0)).pipe(
            concatMap(async (step) => {
              await sleep(Number(process.env.TOY_STEP_MS ?? 0));
              await appendFile(file, `step ${step}\n`);
              const loss = 1 / (step + 1);
              return {
                type: 'progress',
                done: step + 1,
                total: config.steps,
                unit: 'steps',
                figures: { loss },
              } as const;
            }),
            abortable(context.signal),
            catchError(async (error: unknown) => {
              const saving = Number(process.env.TOY_SAVE_MS ?? 0);
              await sleep(saving);
              if (saving > 0) await noteSession(context, 'saved');
              throw error;
            }),
          ),
          of({ type: 'summary', values: { steps: config.steps } } as const),
        ),
      ),
    );
  },
};

const encode: StageKind<never> = {
  name: 'encode',
  codeVersion: 1,
  figures: ['latents'],
  amounts: ['latents'],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: () => [],
  run: (_config: unknown, context): Observable<StageEvent> =>
    defer(() => writeFile(join(context.directory, 'latents.txt'), '3\n')).pipe(
      concatMap((): StageEvent[] => [
        { type: 'notice', level: 'warning', message: '1 image was skipped: data/bad.png' },
        { type: 'summary', values: { latents: 3 } },
      ]),
    ),
};

const report: StageKind<never> = {
  name: 'report',
  codeVersion: 1,
  figures: [],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  tellsOfInputs: true,
  externalInputs: () => [],
  run: (config: { stages: string[] }, context): Observable<StageEvent> =>
    defer(async (): Promise<StageEvent> => {
      await noteSession(context, 'start');
      const rows = config.stages.map((id) => `${id} ${JSON.stringify(context.input(id).summary)}`);
      await writeFile(join(context.directory, 'index.html'), `${rows.join('\n')}\n`);
      return { type: 'summary', values: { page: 'index.html' } };
    }),
};
