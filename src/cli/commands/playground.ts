import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import { readWholeText } from '../../base/files.js';
import type { PlaygroundConfig, StageConfigs } from '../../generated/index.js';
import { resolvedName } from '../../runner/run/run-folder.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { findRun, listRuns } from '../../runner/runs/find-runs.js';
import type { Run } from '../../runner/runs/run.js';
import type { Json } from '../../runner/stage.js';
import { withDefaults } from '../../runner/schema/defaults.js';
import { readSchema } from '../../runner/schema/schema.js';
import { parseNested } from '../../runner/yaml/nesting.js';
import { writePlayground } from '../../stages/playground/write.js';
import { exitCodes, say, type Services, shortPath } from '../services.js';

export interface PlaygroundOptions {
  readonly stage?: string;
  readonly output?: string;
  readonly weightType?: PlaygroundConfig['weightType'];
  readonly runs?: string;
}

/** `pipeline playground`: writes a page that draws with the models of a run. Gives the exit code. */
export async function playground(
  reference: string,
  options: PlaygroundOptions,
  services: Services,
): Promise<number> {
  const runsRoot = runsRootOf(process.cwd(), options.runs, services.env);
  const run = findRun(reference, await listRuns(runsRoot));
  const { seed, stages } = await configurationOf(run);
  const { title = run.record.pipeline, ...config } = drawn(stages, options.stage, run);
  const path = resolve(options.output ?? join(run.directory, 'playground.html'));
  const { megabytes } = await writePlayground(path, {
    config: withDefaults(readSchema('stages/playground.schema.json'), {
      ...config,
      ...(options.weightType && { weightType: options.weightType }),
    }) as PlaygroundConfig,
    title,
    pipeline: run.record.pipeline,
    seed: config.seed ?? seed,
    input: (stage) => ({ directory: outputOf(run, stage), config: stages[stage] as unknown as Json }),
    onDoubt: (message) => {
      say(services.stderr, `warning: ${message}\n`);
    },
  });
  say(services.stdout, `Playground: ${shortPath(path)} (${megabytes} MB). Open it in a browser.\n`);
  return exitCodes.done;
}

type Stages = Readonly<Record<string, { readonly uses: keyof StageConfigs; readonly seed?: number }>>;

/** The run's configuration with all defaults. */
async function configurationOf(run: Run): Promise<{ readonly seed: number; readonly stages: Stages }> {
  const path = join(run.directory, resolvedName);
  if (!existsSync(path))
    throw new UserError({
      code: 'no-configuration',
      message: `${run.id} did not come as far as to keep its configuration.`,
      remedy: 'Run its pipeline again.',
    });
  return parseNested(await readWholeText(path)) as { seed: number; stages: Stages };
}

const keys: readonly (keyof PlaygroundConfig)[] = [
  ...([
    'title',
    'model',
    'phases',
    'firstSteps',
    'distance',
    'autoencoder',
    'weights',
    'weightType',
  ] as const),
  ...(['sampler', 'guidanceScale', 'guidanceChannels', 'guidance'] as const),
];

/** Configuration of the stage that draws; of a run without one, its last model and autoencoder with the defaults. */
function drawn(
  stages: Stages,
  wanted: string | undefined,
  run: Run,
): PlaygroundConfig & { readonly seed?: number } {
  const ids = Object.keys(stages);
  const last = (...kinds: (keyof StageConfigs)[]) => ids.findLast((id) => kinds.includes(stages[id]!.uses));
  const id = wanted ?? last('playground', 'sample');
  const stage = id === undefined ? undefined : stages[id];
  if (stage?.uses === 'sample' || stage?.uses === 'playground')
    return Object.fromEntries(
      Object.entries(stage).filter(([key]) => key === 'seed' || (keys as readonly string[]).includes(key)),
    ) as unknown as PlaygroundConfig;
  const [model, autoencoder] = [last('train', 'pretrained'), last('autoencoder')];
  if (wanted === undefined && model !== undefined && autoencoder !== undefined)
    return { model, autoencoder } as PlaygroundConfig;
  const samples = ids.filter((each) => stages[each]!.uses === 'sample').join(', ');
  throw new UserError({
    code: 'nothing-to-draw',
    usage: true,
    message:
      wanted === undefined
        ? `${run.id} has no model with an autoencoder.`
        : `${run.id} has no sample stage ${wanted}${samples === '' ? '' : `; it has ${samples}`}.`,
    remedy: 'Name a run whose pipeline trains or samples: npx pipeline status lists all.',
  });
}

function outputOf(run: Run, stage: string): string {
  const output = run.record.stages[stage]?.output;
  const directory = output === undefined ? undefined : resolve(run.directory, output);
  if (directory !== undefined && existsSync(directory)) return directory;
  throw new UserError({
    code: 'stage-not-run',
    message: `${stage} of ${run.id} has no output${directory === undefined ? ' yet' : ' any more'}.`,
    remedy: 'Run its pipeline again.',
  });
}
