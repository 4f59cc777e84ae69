import { UserError } from '../../base/errors.js';
import { engineName } from '../../tensorflow/engine-choice.js';
import { type Content, findInputPaths } from '../fingerprint/content.js';
import { canonicalJson, type InputOrigin, type Origin, valueAt } from '../fingerprint/origin.js';
import { type Pipeline, type PipelineStage, runtimeOf, seedOf } from '../pipeline.js';
import type { Json, StageKind } from '../stage.js';
import type { PlanMemory } from './memory.js';

/** Origin of a stage's output, but for the outputs of other stages. */
export interface OwnOrigin {
  readonly origin: Omit<Origin, 'references'>;
  /** The content of its external inputs. */
  readonly contents: readonly Content[];
  /** External inputs that are not there, or are empty folders: their places in `origin.inputs`, and the error to show. */
  readonly gone: ReadonlyMap<number, UserError | undefined>;
}

/** Gathers what a stage's output follows from, reading its external inputs. */
export async function ownOrigin(
  pipeline: Pipeline,
  stage: PipelineStage,
  kind: StageKind<unknown>,
  memory: PlanMemory,
  signal?: AbortSignal,
): Promise<OwnOrigin> {
  const config = stage.config as unknown as Json;
  const contents: Content[] = [];
  const gone = new Map<number, UserError | undefined>();
  for (const [i, location] of kind.externalInputs(stage.config, pipeline.directory).entries()) {
    const content = await memory.reader.read(stage.id, location).catch((error: unknown) => {
      if (!(error instanceof UserError) || error.code !== 'input-missing') throw error;
      gone.set(i, error);
      return { files: 0, bytes: 0, digest: '' };
    });
    // A disk that is not mounted leaves an empty folder.
    if (content.files === 0 && !gone.has(i)) gone.set(i, undefined);
    contents.push(content);
  }
  const inputs = kind.externalInputs(stage.config, pipeline.directory).map((location, i): InputOrigin => ({
    location,
    paths: findInputPaths(config, location, pipeline.directory),
    files: contents[i]!.files,
    bytes: contents[i]!.bytes,
    digest: contents[i]!.digest,
  }));
  const pins = await kind.pin?.(stage.config, pipeline.directory, signal);
  const origin = {
    kind: stage.kind,
    codeVersion: kind.codeVersion,
    ...(kind.dependsOnSeed !== false && { seed: seedOf(pipeline, stage) }),
    ...(kind.dependsOnPrecision && { precision: runtimeOf(pipeline, stage).precision }),
    ...(kind.dependsOnEngine && { engine: await engineOf(pipeline, memory) }),
    config,
    ...(stage.withoutEffect.length > 0 && {
      withoutEffect: stage.withoutEffect.map((path) => path.split('.')),
    }),
    inputs,
    ...(pins && Object.keys(pins).length > 0 && { pins }),
  };
  return { origin, contents, gone };
}

/** Finds the engine's name, once for all stages and trials: it looks at files. */
function engineOf({ runtime: { device } }: Pipeline, memory: PlanMemory): Promise<string> {
  return memory.once(`engine on ${device}`, () => Promise.resolve(engineName(device)));
}

/**
 * The same with the content that another origin has in the place of inputs that are gone: nothing where that one read
 * them elsewhere, as a misspelt path does not mean what was read before.
 */
export function withInputsOf({ origin, contents, gone }: OwnOrigin, before: Origin): OwnOrigin | undefined {
  const isSame = ({ location, paths }: InputOrigin, i: number): boolean => {
    const then = before.inputs[i];
    const written = (at: Pick<Origin, 'config'>): readonly string[] =>
      paths.map((path) => canonicalJson(valueAt(at.config, path) ?? null));
    return then?.location === location || String(written(before)) === String(written(origin));
  };
  if (before.inputs.length !== origin.inputs.length) return undefined;
  if (![...gone.keys()].every((i) => isSame(origin.inputs[i]!, i))) return undefined;
  const inputs = origin.inputs.map((input, i) => {
    const { files, bytes, digest } = before.inputs[i]!;
    return gone.has(i) ? { ...input, files, bytes, digest } : input;
  });
  return { origin: { ...origin, inputs }, contents, gone };
}
