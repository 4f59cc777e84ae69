import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { formatNumber, formatPercent } from '../../base/format.js';
import type { Pipeline, PipelineStage } from '../../runner/pipeline.js';
import { runPipeline } from '../../runner/run/run-pipeline.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import type { CalibratedChoice, Calibration } from '../../stages/calibrate/calibration.js';
import { samplePlan } from '../../stages/sample/plan.js';
import type { StageOf } from '../../stages/shared/check.js';
import { loadWithSources, reportMissing } from '../load.js';
import { exitCodes, say, type Services, shortPath } from '../services.js';
import { checkRatios, writeRatios } from '../write-ratios.js';
import { showRun } from './run.js';

export interface CalibrateCommandOptions {
  readonly set: string[];
  readonly runs?: string;
  readonly json?: boolean;
  readonly stage?: string;
  readonly samples: number;
  readonly replays: number;
  readonly save?: number;
  readonly write?: string;
}

/** `pipeline calibrate`: finds ratios for the phases of a `sample` stage. Gives the exit code. */
export async function calibrate(
  file: string,
  options: CalibrateCommandOptions,
  services: Services,
): Promise<number> {
  const loaded = await loadWithSources(file, options.set, services);
  if (loaded === undefined) return exitCodes.invalid;
  const sample = phasedStage(loaded.pipeline, options.stage);
  if (options.write !== undefined)
    await checkRatios(options.write, sample.id, sample.config.phases!.length - 1);
  const pipeline = withCalibration(loaded.pipeline, sample, options);
  const { directory, code } = await runCalibration(pipeline, calibrationId(sample), options, services).catch(
    async (error: unknown) => ({ directory: undefined, code: await reportMissing(error, loaded, services) }),
  );
  if (directory === undefined) return code;

  const { readCalibration } = await import('../../stages/calibrate/calibration.js');
  const calibration = await readCalibration(directory);
  const chosen = choose(calibration, options.save);
  const { stdout } = services;
  if (options.json === true)
    stdout.write(`${JSON.stringify({ type: 'calibration', ...calibration, chosen })}\n`);
  else {
    say(stdout, formatFrontier(calibration, chosen) + savedNote(chosen, options.save));
    say(stdout, `\nThe frontier as a picture: ${shortPath(join(directory, 'frontier.svg'))}\n`);
  }
  if (options.write !== undefined) {
    await writeRatios(options.write, sample.id, chosen.ratios);
    if (options.json !== true) say(stdout, `Written to ${shortPath(options.write)}.\n`);
  }
  return exitCodes.done;
}

function phasedStage({ stages, file }: Pipeline, wanted: string | undefined): StageOf<'sample'> {
  const phased = [...stages.values()].filter(
    (stage): stage is StageOf<'sample'> =>
      stage.kind === 'sample' && ((stage as StageOf<'sample'>).config.phases?.length ?? 0) > 1,
  );
  const found = wanted === undefined ? phased : phased.filter(({ id }) => id === wanted);
  const [stage] = found;
  const ids = phased.map(({ id }) => id).join(', ');
  if (stage === undefined || found.length > 1)
    throw new UserError({
      code: 'no-phases',
      usage: true,
      message:
        stage === undefined
          ? `${shortPath(file)} has no sample stage ${wanted === undefined ? '' : `${wanted} `}with phases.`
          : `${shortPath(file)} has several sample stages with phases: ${ids}.`,
      remedy:
        stage === undefined
          ? 'Give a sample stage `phases`, with any ratios to begin with.'
          : 'Name one with --stage.',
    });
  const { config, step } = samplePlan(stage.config);
  if (step?.isAdaptive === true)
    throw new UserError({
      code: 'impossible-calibration',
      usage: true,
      message: `The cost of a path of \`${config.sampler.method}\` is not known beforehand: it chooses its own steps.`,
      remedy: 'Calibrate with a method of given steps.',
    });
  return stage;
}

const calibrationId = ({ id }: StageOf<'sample'>): string => `calibrate-${id}`;

/** The pipeline with a stage that calibrates another, which is left out. */
export function withCalibration(
  pipeline: Pipeline,
  sample: StageOf<'sample'>,
  { samples, replays }: Pick<CalibrateCommandOptions, 'samples' | 'replays'>,
): Pipeline {
  const config = Object.fromEntries(
    Object.entries(sample.config).filter(([key]) => !['trajectory', 'reverse'].includes(key)),
  );
  // Without the ratios: paths are the same by any, and are found again once others are written into the file.
  const phases = sample.config.phases!.map(({ model }) => ({ model }));
  const calibration = {
    ...sample,
    id: calibrationId(sample),
    kind: 'calibrate',
    references: sample.references.filter(({ path }) => path !== 'reverse'),
    config: { ...config, phases, likelihood: false, count: samples, replays },
  } as unknown as PipelineStage;
  return {
    ...pipeline,
    name: `${pipeline.name}-calibration`,
    stages: new Map([...pipeline.stages, [calibration.id, calibration]]),
  };
}

async function runCalibration(
  pipeline: Pipeline,
  id: string,
  options: CalibrateCommandOptions,
  services: Services,
): Promise<{ readonly directory?: string; readonly code: number }> {
  const { calibrationRegistry: registry } = await import('../../stages/registry.js');
  const runsRoot = findRunsRoot(pipeline.file, options.runs, services.env);
  let directory: string | undefined;
  const code = await showRun(
    (signal) => runPipeline({ pipeline, registry, runsRoot, until: id, set: options.set, signal }),
    options,
    services,
    (event) => {
      if ((event.type === 'stage-finished' || event.type === 'stage-cached') && event.stage === id)
        directory = event.output;
    },
  );
  return { code, ...(code === exitCodes.done && directory !== undefined && { directory }) };
}

/** The choice that deviates least of those that save enough, or the one where the frontier bends. */
function choose({ choices, knee }: Calibration, save: number | undefined): CalibratedChoice {
  if (save === undefined) return choices[knee]!;
  const enough = choices.filter(({ saved }) => saved >= save);
  const best = enough.at(-1);
  if (best !== undefined) return best;
  throw new UserError({
    code: 'cannot-save-so-much',
    usage: true,
    message: `No choice of ratios saves ${formatPercent(save)}; the most is ${formatPercent(choices[0]!.saved)}.`,
    remedy: 'Ask for less, or use smaller models.',
  });
}

/** Line on a choice that saves far more than was asked for, and so deviates more than it need; empty for others. */
export function savedNote({ saved }: Pick<CalibratedChoice, 'saved'>, save: number | undefined): string {
  if (save === undefined || saved < save + 0.01) return '';
  return (
    `\nThe choice saves ${formatPercent(saved)} where ${formatPercent(save)} was asked for: of the sets of ratios that ` +
    'were followed in full, none saves less that is enough. --replays follows more of them.\n'
  );
}

function formatFrontier(
  { samples, considered, phases, choices }: Calibration,
  chosen: CalibratedChoice,
): string {
  const rows = [
    ['ratios', 'GFLOPs', 'saved', 'deviation', 'predicted'],
    ...choices.map((choice) => [
      choice.ratios.join(', '),
      gigas(choice.cost),
      formatPercent(choice.saved),
      choice.deviation.toPrecision(3),
      `${gigas(choice.predicted.cost)}, ${choice.predicted.deviation.toPrecision(3)}`,
      choice.ratios.join() === chosen.ratios.join() ? '<- chosen' : '',
    ]),
    ...phases.map(({ stage, cost, deviation }) => [
      `${stage} alone`,
      gigas(cost),
      '',
      deviation.toPrecision(3),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `\n${samples} samples, ${considered} choices of ratios\n\n${lines.join('\n')}\n`;
}

const gigas = (cost: number): string => formatNumber(cost / 1e9);
