import { UserError } from '../base/errors.js';
import { formatDiagnostics } from '../runner/diagnostics.js';
import { loadPipeline } from '../runner/load.js';
import { makePlan } from '../runner/plan/plan.js';
import { findRunsRoot } from '../runner/runs-root.js';
import type { Services } from './services.js';

/**
 * The folder of the output that `FILE.yaml#STAGE` names; any other text is returned as it is.
 *
 * @throws UserError `no-such-stage`, `invalid-pipeline`, or `stage-not-run`
 */
export async function findOutput(
  name: string,
  runs: string | undefined,
  services: Services,
): Promise<string> {
  const [, file, stage] = /^(.+\.ya?ml)#(.+)$/i.exec(name) ?? [];
  if (file === undefined || stage === undefined) return name;
  const registry = await services.loadRegistry();
  const loaded = await loadPipeline(file, { rules: registry.rules });
  if (!loaded.ok)
    throw new UserError({
      code: 'invalid-pipeline',
      usage: true,
      message: `${file} is not valid:\n${formatDiagnostics(loaded.diagnostics)}`,
    });
  const { stages } = await makePlan({
    pipeline: loaded.pipeline,
    registry,
    runsRoot: findRunsRoot(loaded.pipeline.file, runs, services.env),
    until: stage,
  });
  const planned = stages.find(({ stage: { id } }) => id === stage)!;
  if (planned.output !== undefined && planned.awaits.length === 0) return planned.place.directory;
  throw new UserError({
    code: 'stage-not-run',
    message: `${stage} of ${file} has no output as the file is now.`,
    remedy: `Run: pipeline run ${file} --until ${stage}`,
  });
}
