import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, isScalar, isSeq, parseDocument, type Scalar } from 'yaml';
import { UserError } from '../../base/errors.js';
import { asUserError, readWholeText } from '../../base/files.js';
import { formatNumber, formatPercent } from '../../base/format.js';
import { writeFileWhole } from '../../base/output-file.js';
import type { Pipeline, PipelineStage } from '../../runner/pipeline.js';
import type { TimedRunEvent } from '../../runner/run/events.js';
import { runPipeline } from '../../runner/run/run-pipeline.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import type { CalibratedChoice, Calibration } from '../../stages/calibrate/calibration.js';
import { samplePlan } from '../../stages/sample/plan.js';
import type { StageOf } from '../../stages/shared/check.js';
import { loadWithSources, reportMissing } from '../load.js';
import { exitCodes, onInterrupt, say, type Services, shortPath } from '../services.js';
import { chooseRenderer, exitCode } from './run.js';

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
  if (options.write !== undefined) await phasesIn(options.write, sample.id, sample.config.phases!.length);
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
  const { calibrationRegistry } = await import('../../stages/registry.js');
  const renderer = chooseRenderer(options, services);
  const interrupts = onInterrupt(() => {
    renderer.stopping();
  }, services.forceExit);
  let last: TimedRunEvent | undefined;
  let directory: string | undefined;
  try {
    const events = runPipeline({
      pipeline,
      registry: calibrationRegistry,
      runsRoot: findRunsRoot(pipeline.file, options.runs, services.env),
      until: id,
      force: [],
      set: options.set,
      signal: interrupts.signal,
    });
    await events.forEach((event) => {
      last = event;
      if ((event.type === 'stage-finished' || event.type === 'stage-cached') && event.stage === id)
        directory = event.output;
      renderer.show(event);
    });
  } finally {
    interrupts.release();
    renderer.end();
  }
  const code = exitCode(last);
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

/**
 * Writes the ratios of a `sample` stage's phases into a pipeline file. All other text stays as it is, to the byte.
 *
 * @throws UserError `phases-not-here` where the file does not itself hold as many phases
 */
export async function writeRatios(file: string, stage: string, ratios: readonly number[]): Promise<void> {
  const { text, phases } = await phasesIn(file, stage, ratios.length + 1);
  const edits = ratios.flatMap((ratio, i) => editOf(text, phases.items[i], ratio));
  const written = edits
    .sort((one, other) => other.start - one.start)
    .reduce((all, { start, end, by }) => all.slice(0, start) + by + all.slice(end), text);
  await writeFileWhole(file, written);
}

/** The change of a file's text that gives a phase its ratio. */
function editOf(
  text: string,
  phase: unknown,
  ratio: number,
): { readonly start: number; readonly end: number; readonly by: string }[] {
  if (!isMap(phase) || !phase.range) return [];
  const pairOf = (pair: (typeof phase.items)[number]) => {
    const [start] = (pair.key as Scalar).range!;
    const [, end] = ((pair.value ?? pair.key) as Scalar).range!;
    return { start, end };
  };
  const before = phase.items.find(({ key }) => isScalar(key) && key.value === 'switchRatio');
  if (before) return [{ ...pairOf(before), by: `switchRatio: ${ratio}` }];
  const last = phase.items.at(-1);
  if (!last) return [];
  const { end } = pairOf(last);
  if (phase.flow === true) return [{ start: end, end, by: `, switchRatio: ${ratio}` }];
  const { start } = pairOf(phase.items[0]!);
  const column = start - (text.lastIndexOf('\n', start - 1) + 1);
  const line = text.startsWith('\r\n', text.indexOf('\n', end) - 1) ? '\r\n' : '\n';
  const at = Math.max(end, endOfLine(text, end));
  return [{ start: at, end: at, by: `${line}${' '.repeat(column)}switchRatio: ${ratio}` }];
}

/** Offset of the end of the line that a place is in, before its line break. */
function endOfLine(text: string, from: number): number {
  const found = /\r?\n|$/g;
  found.lastIndex = from;
  return found.exec(text)!.index;
}

/**
 * The phases of a `sample` stage in a pipeline file that can be written to.
 *
 * @throws UserError `phases-not-here` where the file does not itself hold as many
 */
export async function phasesIn(file: string, stage: string, count: number) {
  const text = await access(file, constants.R_OK | constants.W_OK)
    .then(() => readWholeText(file))
    .catch((error: unknown) => {
      throw asUserError(error, file);
    });
  const document = parseDocument(text, { keepSourceTokens: true });
  const phases: unknown = document.getIn(['stages', stage, 'phases']);
  if (document.errors.length > 0 || !isSeq(phases) || phases.items.length !== count)
    throw new UserError({
      code: 'phases-not-here',
      usage: true,
      message: `${file} does not itself hold ${count} phases of the stage ${stage}.`,
      remedy: `Write them there first: \`phases: [{ model: …, switchRatio: 0.9 }, …]\`.`,
    });
  return { text, phases };
}
