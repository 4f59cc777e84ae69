import { Chalk } from 'chalk';
import { counted, formatBytes, formatDuration } from '../../base/format.js';
import { checkGpuPerWorker } from '../../distributed/device-environment.js';
import { LockDiffersError, refuseDifferences } from '../../runner/lock/compare.js';
import { readLock } from '../../runner/lock/lock-file.js';
import { describeStages } from '../../runner/plan/describe.js';
import { type ExpectedTime, expectedTimes } from '../../runner/plan/time.js';
import { makePlan, type Plan, type PlannedStage } from '../../runner/plan/plan.js';
import { formatReason } from '../../runner/plan/reasons.js';
import { annotatedYaml, originsOf, resolvedConfig } from '../../runner/resolved.js';
import { earlierForcing } from '../../runner/run/earlier-forcing.js';
import { checkStages } from '../../runner/run/stage-context.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import type { Json, StageFact } from '../../runner/stage.js';
import { bytesOf } from '../../runner/store/manifest.js';
import { type Loaded, loadWithSources, reportMissing, showDiagnostics } from '../load.js';
import type { PlanCommandOptions } from '../options.js';
import { cachedLine, cachedNotes, cachedWord, othersAtWork, plannedStageJson } from '../planned.js';
import { commandPath, exitCodes, say, type Services, shortPath, usesColor } from '../services.js';

/** `pipeline plan`: shows what would run and why. Gives the exit code. */
export async function plan(file: string, options: PlanCommandOptions, services: Services): Promise<number> {
  const loaded = await loadWithSources(file, options.set, services);
  if (loaded === undefined) return exitCodes.invalid;
  await showDiagnostics(loaded.warnings, services);
  return planLoaded(loaded, options, services).catch((error: unknown) =>
    reportMissing(error, loaded, services),
  );
}

async function planLoaded(
  { pipeline, sources }: Loaded,
  options: PlanCommandOptions,
  services: Services,
): Promise<number> {
  checkGpuPerWorker(pipeline, services.env);
  const locked = options.locked === true ? await readLock(pipeline.file) : undefined;
  const { until, force, set } = options;
  const runsRoot = findRunsRoot(pipeline.file, options.runs, services.env);
  const shared = {
    ...{ pipeline, runsRoot, until, force },
    registry: await services.loadRegistry(),
    continues: await earlierForcing(runsRoot, pipeline, { set, until, force }),
  };
  const planned =
    options.pull === undefined
      ? await makePlan(shared)
      : await (
          await import('./remote.js')
        ).planWith(options.pull, pipeline, services, (remote) => makePlan({ ...shared, ...remote }));
  if (typeof planned === 'number') return planned;
  if (locked !== undefined) {
    try {
      refuseDifferences(planned, locked);
    } catch (error) {
      if (!(error instanceof LockDiffersError)) throw error;
      const { reportLockDifferences } = await import('../errors.js');
      return reportLockDifferences(error, sources, services);
    }
  }
  await checkStages(planned);
  const facts = await describeStages(planned);
  const { stdout, stderr, env } = services;
  const measures = (stage: string) => {
    say(stderr, `Measures how fast this machine is at ${stage} …\n`);
  };
  const times = await expectedTimes(planned, options.time === true ? measures : undefined);
  if (options.json === true) stdout.write(`${JSON.stringify(asJson(planned, facts, times))}\n`);
  else
    say(
      stdout,
      formatPlan(planned, facts, times, { asked: options.time === true, color: usesColor(stdout, env) }),
    );
  return exitCodes.done;
}

type FactsByStage = ReadonlyMap<string, readonly StageFact[]>;

type Times = ReadonlyMap<string, ExpectedTime>;

function formatPlan(
  { pipeline, stages }: Plan,
  facts: FactsByStage,
  times: Times,
  { asked, color }: { readonly asked: boolean; readonly color: boolean },
): string {
  const { bold, dim, green, yellow } = new Chalk({ level: color ? 1 : 0 });
  const idWidth = Math.max(...stages.map(({ stage }) => stage.id.length));
  const indent = ' '.repeat(idWidth + 10);
  const lines = [`${bold(pipeline.name)} ${dim(shortPath(pipeline.file))}`, ''];
  for (const planned of stages) {
    const { stage } = planned;
    const runs = planned.reasons.length > 0;
    const [first = '', ...rest] = runs ? runLines(planned) : [dim(cachedLine(planned))];
    lines.push(
      `${stage.id.padEnd(idWidth)}  ${runs ? yellow('runs  ') : green(cachedWord(planned))}  ${first}`,
    );
    lines.push(...[...rest, ...cachedNotes(planned)].map((line) => `${indent}${line}`));
    const time = times.get(stage.id);
    lines.push(
      ...(facts.get(stage.id) ?? []).map(({ label, value }) => `${indent}${dim(`${label}: ${value}`)}`),
      ...(time ? timeFacts(time).map((fact) => `${indent}${dim(`time: ${fact}`)}`) : []),
    );
  }
  const toRun = stages.filter(({ reasons }) => reasons.length > 0);
  const perhaps = toRun.filter(({ reasons }) =>
    reasons.every(({ type }) => type === 'unless-as-before'),
  ).length;
  const sure = `${toRun.length - perhaps} of ${stages.length} stages to run`;
  lines.push(
    '',
    toRun.length === 0
      ? 'Nothing to run.'
      : perhaps === 0
        ? `${sure}.`
        : `${sure}, and ${perhaps} more unless earlier ones give what they gave before.`,
  );
  lines.push(...totalTime(times, asked));
  const toBring = stages.flatMap(({ isElsewhere, output }) =>
    isElsewhere === true ? [bytesOf(output!)] : [],
  );
  if (toBring.length > 0)
    lines.push(
      `${counted(toBring.length, 'output')} to bring, ${formatBytes(toBring.reduce((sum, bytes) => sum + bytes, 0))}.`,
    );
  if (pipeline.sweep)
    lines.push(`To plan its sweep: npx pipeline sweep ${commandPath(pipeline.file)} --plan`);
  return `${lines.join('\n')}\n`;
}

/** An expected time and what it is known from: `5 min to 7 min, from 2 earlier outputs of a stage like it`. */
function timeFacts({ seconds, records, measuredAt, isQuick, problem }: ExpectedTime): readonly string[] {
  if (seconds === undefined) return problem === undefined ? [] : [`not known: ${problem}`];
  if (isQuick === true) return ['a second or two at most, as all stages of its kind'];
  const source =
    measuredAt === undefined
      ? `from ${counted(records, 'earlier output')} of a stage like it`
      : `from this machine's speed as measured ${formatDuration((Date.now() - Date.parse(measuredAt)) / 1000)} ago`;
  return [`${rangeOf(seconds)}, ${source}`];
}

function rangeOf(range: readonly [number, number]): string {
  const [least, most] = range.map(formatDuration) as [string, string];
  if (least === formatDuration(0)) return `up to ${formatDuration(Math.max(range[1], 0.1))}`;
  return least === most ? `about ${least}` : `${least} to ${most}`;
}

function totalTime(times: Times, asked: boolean): readonly string[] {
  const ranges = Array.from(times.values(), ({ seconds }) => seconds);
  const known = ranges.filter((seconds) => seconds !== undefined);
  if (ranges.length === 0) return [];
  const tells = [...times.values()].some(({ seconds, isQuick }) => seconds !== undefined && isQuick !== true);
  if (!asked && !tells && known.length < ranges.length)
    return [
      'Time: not known, as no stages like these have run on this machine. `--time` measures it, in seconds.',
    ];
  const sum = (i: 0 | 1): number => known.reduce((total, seconds) => total + seconds[i], 0);
  const others = ranges.length - known.length;
  const beside =
    others === 0
      ? ''
      : `, and ${counted(others, 'stage')} of unknown time${asked ? '' : ' (`--time` measures what it can)'}`;
  const taken = Math.max(...Array.from(times.values(), ({ othersShare = 0 }) => othersShare));
  return [`Time: ${rangeOf([sum(0), sum(1)])}${beside}.`, ...othersAtWork(taken)];
}

function runLines({ reasons, interruptedSeconds }: PlannedStage): readonly string[] {
  const continues =
    interruptedSeconds > 0
      ? [`continues an interrupted session of ${formatDuration(interruptedSeconds)}`]
      : [];
  return [...reasons.map(formatReason), ...continues];
}

function asJson({ pipeline, runsRoot, stages }: Plan, facts: FactsByStage, times: Times): Json {
  return {
    pipeline: pipeline.name,
    file: pipeline.file,
    runs: runsRoot,
    stages: stages.map((planned) => ({
      ...plannedStageJson(planned),
      summary: planned.output?.summary ?? null,
      interruptedSeconds: planned.interruptedSeconds,
      expectedSeconds: times.get(planned.stage.id)?.seconds ?? null,
      expectedFrom: sourceOf(times.get(planned.stage.id)),
      facts: (facts.get(planned.stage.id) ?? []).map(({ label, value }) => ({ label, value })),
    })),
  };
}

const sourceOf = (time: ExpectedTime | undefined): Json =>
  time?.seconds === undefined
    ? time?.problem === undefined
      ? null
      : { unknown: time.problem }
    : time.isQuick === true
      ? { quick: true }
      : time.measuredAt === undefined
        ? { records: time.records }
        : { measuredAt: time.measuredAt, othersShare: time.othersShare ?? 0 };

/** `pipeline plan --resolved`: shows the whole configuration and where each value comes from. Gives the exit code. */
export async function planResolved(
  file: string,
  options: Pick<PlanCommandOptions, 'set' | 'json'>,
  services: Services,
): Promise<number> {
  const loaded = await loadWithSources(file, options.set, services);
  if (!loaded) return exitCodes.invalid;
  const { pipeline, sources, files } = loaded;
  const { rules } = await services.loadRegistry();
  const config = resolvedConfig(pipeline);
  const origins = originsOf(config, sources, rules.schema);
  services.stdout.write(
    options.json === true
      ? `${JSON.stringify({ file: pipeline.file, files, config, origins: Object.fromEntries(origins) })}\n`
      : `# ${files.map(shortPath).join(', extends ')}\n${annotatedYaml(config, origins)}`,
  );
  return exitCodes.done;
}
