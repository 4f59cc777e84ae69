import { UserError } from '../../base/errors.js';
import { type Pipeline, topologicalOrder } from '../../runner/pipeline.js';
import { acceptOutput } from '../../runner/plan/accept.js';
import { makePlan, type PlannedStage } from '../../runner/plan/plan.js';
import { formatReason } from '../../runner/plan/reasons.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import { loadWithSources, reportMissing } from '../load.js';
import { commandPath, exitCodes, say, type Services } from '../services.js';

export interface AcceptOptions {
  readonly set: string[];
  readonly runs?: string;
}

/** `pipeline accept`: keeps outputs of stages that would run again. Gives the exit code. */
export async function accept(
  file: string,
  stages: readonly string[],
  options: AcceptOptions,
  services: Services,
): Promise<number> {
  const loaded = await loadWithSources(file, options.set, services);
  if (loaded === undefined) return exitCodes.invalid;
  return acceptAll(loaded.pipeline, stages, options, services).catch((error: unknown) =>
    reportMissing(error, loaded, services),
  );
}

async function acceptAll(
  pipeline: Pipeline,
  stages: readonly string[],
  options: AcceptOptions,
  services: Services,
): Promise<number> {
  const { file } = pipeline;
  const registry = await services.loadRegistry();
  const runsRoot = findRunsRoot(file, options.runs, services.env);
  const plan = async (until: string) =>
    (await makePlan({ pipeline, registry, runsRoot, until })).stages.at(-1)!;
  // An unknown name is told before anything is accepted.
  for (const id of stages) await plan(id);
  for (const id of topologicalOrder(pipeline).flatMap((stage) =>
    stages.includes(stage.id) ? [stage.id] : [],
  )) {
    const planned = await plan(id);
    const line =
      planned.reasons.length === 0
        ? 'cached already'
        : await acceptLine(planned, pipeline.name, runsRoot, file);
    say(services.stdout, `${id}: ${line}\n`);
  }
  return exitCodes.done;
}

async function acceptLine(
  planned: PlannedStage,
  name: string,
  runsRoot: string,
  file: string,
): Promise<string> {
  const [first] = planned.awaits;
  if (first !== undefined)
    throw new UserError({
      code: 'accept-too-early',
      message: `What ${planned.stage.id} would be made from is not known: ${first} has to run first, or be accepted too.`,
      remedy: `npx pipeline run ${commandPath(file)} --until ${first}`,
    });
  const { output, reasons } = await acceptOutput(planned, name, runsRoot);
  return `its output of ${output.createdAt} is kept (${reasons.map(formatReason).join('; ')})`;
}
