import { UserError } from '../../base/errors.js';
import { nearest } from '../../base/nearest.js';
import { type Pipeline, topologicalOrder } from '../pipeline.js';

interface Selection {
  /** Ids of the stages that are wanted. */
  readonly wanted: ReadonlySet<string>;
  /** Stage that was named for each one that runs whether cached or not. */
  readonly forced: ReadonlyMap<string, string>;
}

/**
 * Applies `--until` and `--force`.
 *
 * @throws UserError `no-such-stage`.
 */
export function selectStages(
  pipeline: Pipeline,
  until: string | undefined,
  force: readonly string[],
): Selection {
  for (const id of [...force, ...(until === undefined ? [] : [until])])
    if (!pipeline.stages.has(id)) throw noSuchStage(pipeline, id);

  const wanted = until === undefined ? new Set(pipeline.stages.keys()) : withUpstream(pipeline, until);
  const forced = new Map(force.map((id) => [id, id]));
  for (const { id, references } of topologicalOrder(pipeline)) {
    const source = references.map(({ stage }) => forced.get(stage)).find((by) => by !== undefined);
    if (source !== undefined && !forced.has(id)) forced.set(id, source);
  }
  return { wanted, forced };
}

function withUpstream(pipeline: Pipeline, last: string): ReadonlySet<string> {
  const wanted = new Set<string>();
  const visit = (id: string): void => {
    if (wanted.has(id)) return;
    wanted.add(id);
    for (const { stage } of pipeline.stages.get(id)?.references ?? []) visit(stage);
  };
  visit(last);
  return wanted;
}

function noSuchStage(pipeline: Pipeline, id: string): UserError {
  const ids = [...pipeline.stages.keys()];
  const near = nearest(id, ids);
  return new UserError({
    code: 'no-such-stage',
    usage: true,
    message: `${pipeline.file} has no stage ${id}.`,
    remedy: near === undefined ? `Its stages are: ${ids.join(', ')}.` : `Did you mean ${near}?`,
  });
}
