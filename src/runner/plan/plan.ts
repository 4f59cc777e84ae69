import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { isSince } from '../../base/clock.js';
import { UserError } from '../../base/errors.js';
import { DamagedRecord, readRecord, unsealJson } from '../../base/sealed.js';
import type { Content } from '../fingerprint/content.js';
import { fingerprintOf, hashJson, type Origin, type ReferenceOrigin } from '../fingerprint/origin.js';
import { type Pipeline, type PipelineStage, topologicalOrder } from '../pipeline.js';
import type { Acceptance, StageKind, StageRegistry } from '../stage.js';
import { findOutput, type FoundOutput } from '../store/find-output.js';
import { hashesFolder, outputContent, outputPlace, readManifest } from '../store/manifest.js';
import type { Manifest, OutputPlace } from '../store/manifest.js';
import { type History, interruptedSession } from '../store/session.js';
import { explain } from './explain.js';
import { type Elsewhere, PlanMemory } from './memory.js';
import { InputMissing, type InputProgress } from './read-inputs.js';
import type { Reason } from './reasons.js';
import { selectStages } from './select.js';
import { ownOrigin, type OwnOrigin, withInputsOf } from './stage-origin.js';

export interface PlannedStage {
  readonly stage: PipelineStage;
  readonly kind: StageKind<unknown>;
  readonly origin: Origin;
  /** The content of its external inputs. */
  readonly contents: readonly Content[];
  /** External inputs that are not there any more, as its output, which is, does not need them. */
  readonly gone: readonly string[];
  /**
   * Recipe of its output, known before anything runs: stages with the same recipe have the same output. Those of other
   * recipes may have too, where earlier stages gave the same nevertheless.
   */
  readonly recipe: string;
  /**
   * Fingerprint by which its output is known. Where stages are awaited, by which it would be if they gave what they
   * gave before.
   */
  readonly fingerprint: string;
  readonly place: OutputPlace;
  /** Stages it reads that have to run before its fingerprint is known. */
  readonly awaits: readonly string[];
  /** Reasons why it runs, or may have to; empty where its output is cached. */
  readonly reasons: readonly Reason[];
  /**
   * Manifest of its whole output, where there is one. A stage that is forced or awaits others may have one and run
   * nevertheless.
   */
  readonly output?: Manifest;
  /** True where the output is not here but elsewhere, and would be brought. */
  readonly isElsewhere?: true;
  /** Present where that was made from something else, and someone accepted it. */
  readonly accepted?: Acceptance;
  /** ISO 8601: when forcing it began, where it has been made since. */
  readonly forcedAt?: string;
  /** Time that interrupted sessions spent on it, which running continues; 0 where there was none. */
  readonly interruptedSeconds: number;
}

export interface Plan {
  readonly pipeline: Pipeline;
  readonly runsRoot: string;
  /** ISO 8601: what is forced is made again unless it was made since then. */
  readonly forcedSince: string;
  /** Stages in the order in which they run: each after those that it names. */
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
  /**
   * ISO 8601: when forcing began, where this continues an interrupted run. A forced stage whose output was made since is
   * cached, and one that was begun since continues.
   */
  readonly forcedSince?: string | undefined;
  /** Forcing that this continues, in place of `forcedSince`, as long as there is anything left of it to be made. */
  readonly continues?: EarlierForcing | undefined;
  readonly signal?: AbortSignal;
  readonly onInputProgress?: (progress: InputProgress) => void;
  /** Outputs that count as cached though they are not here yet. */
  readonly elsewhere?: Elsewhere | undefined;
  /** Shared with other plans over the same folder of runs. */
  readonly memory?: PlanMemory;
}

/** Forcing of earlier runs that did not come to their end. */
export interface EarlierForcing {
  /** ISO 8601: when it began. */
  readonly since: string;
  /** Ids of the stages that those runs themselves have made. */
  readonly made: readonly string[];
}

/**
 * Works out which stages are cached and which would run, and why. Runs and changes nothing.
 *
 * @throws UserError where an external input is missing without which a stage cannot run, or `until` or `force` name no
 *   stage.
 */
export async function makePlan(options: PlanOptions): Promise<Plan> {
  const { continues } = options;
  if (continues === undefined) return planOnce(options);
  const memory = options.memory ?? new PlanMemory(options);
  const plan = await planOnce({ ...options, memory, forcedSince: continues.since });
  const { made } = continues;
  const isDone = plan.stages.every(({ reasons }) => reasons.length === 0);
  // Where another run finished what was forced, nobody is left who would: this forces anew.
  const byOthers = plan.stages.some(
    ({ stage, forcedAt }) => forcedAt !== undefined && !made.includes(stage.id),
  );
  return isDone && byOthers ? planOnce({ ...options, memory }) : plan;
}

async function planOnce(options: PlanOptions): Promise<Plan> {
  const { pipeline, registry, runsRoot, signal } = options;
  const { wanted, forced } = selectStages(pipeline, options.until, options.force ?? []);
  const memory = options.memory ?? new PlanMemory(options);
  const forcedSince = options.forcedSince ?? new Date().toISOString();
  const history = await memory.history(pipeline.name);
  const planned = new Map<string, PlannedStage>();
  const upstream = new Map<string, Upstream>();
  for (const stage of topologicalOrder(pipeline)) {
    if (!wanted.has(stage.id)) continue;
    signal?.throwIfAborted();
    const kind = await registry.load(stage.kind);
    const own = await ownOrigin(pipeline, stage, kind, memory, signal);
    const forcedBy = forced.get(stage.id);
    const looking = { runsRoot, memory, history, signal, forcedBy, forcedSince, upstream };
    const found =
      own.gone.size === 0
        ? await planStage(stage, kind, own, looking)
        : await planWithout(stage, kind, own, looking);
    refuseGone(found, planned);
    planned.set(stage.id, found);
    upstream.set(stage.id, expected(found, history));
  }
  return { pipeline, runsRoot, forcedSince, stages: [...planned.values()] };
}

/** Knowledge about an earlier stage's output. */
interface Upstream extends Pick<ReferenceOrigin, 'fingerprint' | 'content'> {
  readonly recipe: string;
  /** Configuration, apart from names, places and what it is made from. */
  readonly configured: string;
  /** True when the output is there; otherwise it is what it was before, where that is known. */
  readonly isThere: boolean;
}

interface Looking {
  readonly runsRoot: string;
  readonly memory: PlanMemory;
  readonly history: History;
  readonly signal: AbortSignal | undefined;
  readonly forcedBy: string | undefined;
  readonly forcedSince: string;
  readonly upstream: ReadonlyMap<string, Upstream>;
}

async function planStage(
  stage: PipelineStage,
  kind: StageKind<unknown>,
  { origin: own, contents, gone }: OwnOrigin,
  { runsRoot, memory, history, signal, forcedBy, forcedSince, upstream }: Looking,
): Promise<PlannedStage> {
  const withReferences = (
    of: (upstream: Upstream) => Pick<ReferenceOrigin, 'fingerprint' | 'content'>,
  ): Origin => ({
    ...own,
    references: stage.references.map(({ path, stage: id }) => ({
      path: path.split('.'),
      stage: id,
      ...of(upstream.get(id)!),
    })),
  });
  const followed = withReferences(({ recipe }) => ({ fingerprint: recipe }));
  const exact = withReferences(({ recipe, fingerprint, content, configured }) => {
    if (content === undefined) return { fingerprint: recipe };
    return { fingerprint, content: kind.tellsOfInputs === true ? hashJson([content, configured]) : content };
  });
  const recipe = fingerprintOf(followed);
  const awaits = unique(stage.references.map(({ stage: id }) => id)).filter(
    (id) => !upstream.get(id)!.isThere,
  );
  const begun = await memory.once(`store of ${stage.kind}`, () =>
    begunOutputs(outputPlace(runsRoot, stage.kind, recipe).folder),
  );
  const isBegun = (fingerprint: string): boolean =>
    begun.has(basename(outputPlace(runsRoot, stage.kind, fingerprint).directory));
  // Outputs were known by their recipes once: what was made, or begun, then is used and continued.
  const origin = isBegun(recipe) && !isBegun(fingerprintOf(exact)) ? followed : exact;
  const fingerprint = fingerprintOf(origin);
  const place = outputPlace(runsRoot, stage.kind, fingerprint);
  const known = `${stage.id} ${fingerprint} ${forcedBy === undefined ? '' : `${forcedBy} ${forcedSince}`} ${awaits.join(' ')}`;
  const state = await memory.once(known, async () => {
    const own: FoundOutput = isBegun(fingerprint)
      ? await findOutput(place, hashesFolder(runsRoot), signal)
      : { state: 'absent' };
    const mayBeAccepted = forcedBy === undefined && own.state === 'absent';
    const acceptedHere = mayBeAccepted && isBegun(fingerprint) ? await readAcceptance(place) : undefined;
    const accepted = acceptedHere ?? (mayBeAccepted ? memory.elsewhere?.accepted?.(place) : undefined);
    const acceptedPlace = accepted && outputPlace(runsRoot, stage.kind, accepted.output);
    const found = acceptedPlace ? await findOutput(acceptedPlace, hashesFolder(runsRoot), signal) : own;
    if (found.state !== 'whole' && forcedBy === undefined)
      for (const wanted of [place, ...(acceptedPlace ? [acceptedPlace] : [])]) {
        const output = await memory.elsewhere?.find(wanted);
        if (output === undefined) continue;
        const instead = wanted === place ? {} : { accepted: accepted!, place: wanted };
        return { reasons: [], interruptedSeconds: 0, output, isElsewhere: true as const, ...instead };
      }
    const isNew = found.state === 'whole' && isSince(found.manifest.createdAt, forcedSince);
    const reasons = async (): Promise<readonly Reason[]> => {
      if (forcedBy !== undefined && !isNew)
        return [{ type: 'forced', ...(forcedBy !== stage.id && { by: forcedBy }) }];
      if (found.state !== 'whole')
        return explain(runsRoot, stage, [origin, followed], contents, found, history);
      return awaits.length > 0 ? [{ type: 'unless-as-before', stages: awaits }] : [];
    };
    const since = forcedBy === undefined ? '' : forcedSince;
    const session = isBegun(fingerprint) ? await interruptedSession(place, since) : undefined;
    return {
      reasons: await reasons(),
      interruptedSeconds: session?.seconds ?? 0,
      ...(found.state === 'whole' && { output: found.manifest }),
      ...(forcedBy !== undefined && isNew && { forcedAt: forcedSince }),
      ...(found.state === 'whole' && accepted && { accepted, place: acceptedPlace! }),
    };
  });
  const missing = [...gone.keys()].map((i) => own.inputs[i]!.location);
  return { stage, kind, origin, contents, gone: missing, recipe, fingerprint, place, awaits, ...state };
}

/**
 * Plans a stage whose external inputs are not all there, by what they were when it had its latest outputs.
 *
 * @throws UserError `input-missing` where none of these is the one that is asked for
 */
async function planWithout(
  stage: PipelineStage,
  kind: StageKind<unknown>,
  own: OwnOrigin,
  looking: Looking,
): Promise<PlannedStage> {
  const { history, runsRoot, memory } = looking;
  const elsewhere = memory.elsewhere?.fingerprints(stage.id, stage.kind) ?? [];
  for (const fingerprint of unique([...history.fingerprints(stage.id, stage.kind), ...elsewhere])) {
    const place = outputPlace(runsRoot, stage.kind, fingerprint);
    const before =
      (await readManifest(place.directory, fingerprint).catch(() => undefined)) ??
      (await memory.elsewhere?.find(place));
    const then = before && withInputsOf(own, before.origin);
    const planned = then && (await planStage(stage, kind, then, looking));
    if (planned?.output !== undefined && planned.reasons.every(({ type }) => type === 'unless-as-before'))
      return planned;
  }
  const error = [...own.gone.values()].find((each): each is UserError => each !== undefined);
  if (error) throw error;
  return { ...(await planStage(stage, kind, own, looking)), gone: [] };
}

/** @throws UserError where a stage runs that reads files which are gone by way of an output that is there. */
function refuseGone({ stage, reasons }: PlannedStage, planned: ReadonlyMap<string, PlannedStage>): void {
  if (reasons.every(({ type }) => type === 'unless-as-before')) return;
  for (const { stage: id } of stage.references) {
    const { kind, gone } = planned.get(id)!;
    if (kind.passesOn !== undefined && gone.length > 0) throw new InputMissing(stage.id, gone[0]!);
  }
}

/** Output that later stages can count on before this one has run, or will find where it is cached. */
function expected(planned: PlannedStage, history: History): Upstream {
  const { stage, kind, recipe, fingerprint, output, reasons, awaits } = planned;
  const isThere = reasons.length === 0;
  const isLikely = output !== undefined && (isThere || awaits.length > 0);
  const content = isLikely ? outputContent(kind, output) : history.content(stage.id, stage.kind, fingerprint);
  return {
    recipe,
    configured: configurationOf(planned),
    isThere,
    fingerprint: isLikely ? output.fingerprint : fingerprint,
    ...(content !== undefined && { content }),
  };
}

/**
 * Plans a stage again whose fingerprint could not be known before earlier stages had run.
 *
 * @param outputs of the stages before it
 * @throws UserError `input-missing` where it reads files that are gone by way of an output that is there
 */
export async function settle(
  { stages, runsRoot, forcedSince }: Plan,
  planned: PlannedStage,
  outputs: ReadonlyMap<string, Manifest>,
  history: History,
  signal: AbortSignal,
): Promise<PlannedStage> {
  if (planned.awaits.length === 0) return planned;
  const { stage, kind, origin, contents, gone, reasons } = planned;
  const byId = new Map(stages.map((each) => [each.stage.id, each]));
  const upstream = new Map(
    stage.references.map(({ stage: id }): [string, Upstream] => {
      const { kind, recipe } = byId.get(id)!;
      const { fingerprint } = outputs.get(id)!;
      const content = outputContent(kind, outputs.get(id)!);
      return [
        id,
        { recipe, configured: configurationOf(byId.get(id)!), fingerprint, content, isThere: true },
      ];
    }),
  );
  const forced = reasons.find(({ type }) => type === 'forced') as
    Extract<Reason, { type: 'forced' }> | undefined;
  const forcedBy = forced && (forced.by ?? stage.id);
  const memory = new PlanMemory({ runsRoot, signal });
  const looking = { runsRoot, memory, history, signal, forcedBy, forcedSince, upstream };
  const settled = await planStage(stage, kind, { origin, contents, gone: new Map() }, looking);
  refuseGone(settled, byId);
  return { ...settled, gone };
}

/** Hash of what is to be told of how a stage's output came about, apart from names, places and what it was made from. */
function configurationOf({ origin, accepted }: Pick<PlannedStage, 'origin' | 'accepted'>): string {
  const configuration = fingerprintOf({
    ...origin,
    references: origin.references.map((reference) => ({ ...reference, content: '' })),
    inputs: origin.inputs.map((input) => ({ ...input, digest: '' })),
  });
  return accepted === undefined ? configuration : hashJson([configuration, accepted.at]);
}

/** @throws UserError `acceptance-damaged`: without it a stage would run whose output someone wants to keep. */
async function readAcceptance({ acceptance, fingerprint }: OutputPlace): Promise<Acceptance | undefined> {
  try {
    const text = await readRecord(acceptance);
    if (text === undefined) return undefined;
    const { fingerprint: of, output, at, differences } = unsealJson(text);
    const texts = [
      of,
      output,
      at,
      ...(Array.isArray(differences) ? (differences as unknown[]) : [undefined]),
    ];
    if (!texts.every((part) => typeof part === 'string'))
      throw new DamagedRecord('is not of the expected form');
    return of === fingerprint ? ({ output, at, differences } as Acceptance) : undefined;
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    throw new UserError({
      code: 'acceptance-damaged',
      message: `${acceptance} ${error.message}: it should name the output that was accepted in the place of this one.`,
      remedy: 'Remove it, then accept that output again with `npx pipeline accept`, or let the stage run.',
      cause: error,
    });
  }
}

/** Names of the outputs of a kind of which anything is there, finished or not. */
async function begunOutputs(folder: string): Promise<ReadonlySet<string>> {
  const names = await readdir(folder).catch(() => []);
  return new Set(names.map((name) => name.split('.')[0]!));
}

const unique = <Item>(items: readonly Item[]): readonly Item[] => [...new Set(items)];
