import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { topologicalOrder, type Pipeline, type PipelineStage } from '../../config/index.js';
import type { Content } from '../fingerprint/content.js';
import { fingerprintOf, type Origin } from '../fingerprint/origin.js';
import type { StageRegistry } from '../registry.js';
import type { StageKind } from '../stage.js';
import { findOutput, type FoundOutput } from '../store/find-output.js';
import type { History } from '../store/history.js';
import { hashesFolder, outputPlace, type OutputPlace } from '../store/layout.js';
import type { Manifest } from '../store/manifest.js';
import { earlierSeconds } from '../store/session.js';
import { explain } from './explain.js';
import { PlanMemory } from './memory.js';
import type { InputProgress } from './read-inputs.js';
import type { Reason } from './reasons.js';
import { selectStages } from './select.js';
import { stageOrigin } from './stage-origin.js';

export interface PlannedStage {
  readonly stage: PipelineStage;
  readonly kind: StageKind<unknown>;
  readonly origin: Origin;
  /** The content of its external inputs. */
  readonly contents: readonly Content[];
  readonly fingerprint: string;
  readonly place: OutputPlace;
  /** Why it runs; empty where its output is cached. */
  readonly reasons: readonly Reason[];
  /** Its whole output, where there is one. A forced stage may have one and run nevertheless. */
  readonly output?: Manifest;
  /** Time that interrupted sessions spent on it, which running continues; 0 where there was none. */
  readonly interruptedSeconds: number;
}

export interface Plan {
  readonly pipeline: Pipeline;
  readonly runsRoot: string;
  /** In the order in which they run: each after those that it names. */
  readonly stages: readonly PlannedStage[];
}

export interface PlanOptions {
  readonly pipeline: Pipeline;
  readonly registry: StageRegistry;
  /** Absolute path of the folder of all runs. */
  readonly runsRoot: string;
  /** The last stage that is wanted: it and what it needs. Default: all. */
  readonly until?: string | undefined;
  /** Stages to run again even where they are cached, with what depends on them. */
  readonly force?: readonly string[] | undefined;
  readonly signal?: AbortSignal;
  readonly onInputProgress?: (progress: InputProgress) => void;
  /** Shared with other plans over the same folder of runs. */
  readonly memory?: PlanMemory;
}

/**
 * Works out which stages are cached and which would run, and why. Runs and changes nothing.
 *
 * @throws UserError where an external input is missing, or `until` or `force` name no stage.
 */
export async function makePlan(options: PlanOptions): Promise<Plan> {
  const { pipeline, registry, runsRoot, signal } = options;
  const { wanted, forced } = selectStages(pipeline, options.until, options.force ?? []);
  const memory = options.memory ?? new PlanMemory(options);
  const history = await memory.history(pipeline.name);
  const planned = new Map<string, PlannedStage>();
  for (const stage of topologicalOrder(pipeline)) {
    if (!wanted.has(stage.id)) continue;
    signal?.throwIfAborted();
    const kind = await registry.load(stage.kind);
    const { origin, contents } = await stageOrigin(
      pipeline,
      stage,
      kind,
      (id) => planned.get(id)!.fingerprint,
      memory.reader,
      signal,
    );
    const fingerprint = fingerprintOf(origin);
    const place = outputPlace(runsRoot, stage.kind, fingerprint);
    const forcedBy = forced.get(stage.id);
    const state = await memory.once(`${stage.id} ${fingerprint} ${forcedBy ?? ''}`, async () => {
      const begun = await memory.once(`store of ${stage.kind}`, () => begunOutputs(place.folder));
      const isBegun = begun.has(basename(place.directory));
      const found: FoundOutput = isBegun
        ? await findOutput(place, hashesFolder(runsRoot), signal)
        : { state: 'absent' };
      return {
        reasons:
          forcedBy !== undefined
            ? [{ type: 'forced' as const, ...(forcedBy !== stage.id && { by: forcedBy }) }]
            : await reasonsOf(found, runsRoot, stage.id, origin, contents, history),
        interruptedSeconds: forcedBy === undefined && isBegun ? await earlierSeconds(place) : 0,
        ...(found.state === 'whole' && { output: found.manifest }),
      };
    });
    planned.set(stage.id, { stage, kind, origin, contents, fingerprint, place, ...state });
  }
  return { pipeline, runsRoot, stages: [...planned.values()] };
}

/** Names of the outputs of a kind of which anything is there, finished or not. */
async function begunOutputs(folder: string): Promise<ReadonlySet<string>> {
  const names = await readdir(folder).catch(() => []);
  return new Set(names.map((name) => name.split('.')[0]!));
}

async function reasonsOf(
  found: FoundOutput,
  runsRoot: string,
  stage: string,
  origin: Origin,
  contents: readonly Content[],
  history: History,
): Promise<readonly Reason[]> {
  if (found.state === 'whole') return [];
  return explain(runsRoot, stage, origin, contents, found, history);
}
