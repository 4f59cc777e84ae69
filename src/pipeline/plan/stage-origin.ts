import type { Pipeline, PipelineStage } from '../../config/index.js';
import type { Content } from '../fingerprint/content.js';
import { findInputPaths } from '../fingerprint/input-paths.js';
import type { InputOrigin, Origin } from '../fingerprint/origin.js';
import type { Json, StageKind } from '../stage.js';
import type { InputReader } from './read-inputs.js';

export interface OriginAndContents {
  readonly origin: Origin;
  readonly contents: readonly Content[];
}

/** Gathers what a stage's output follows from, reading its external inputs. `upstream` gives fingerprints by stage id. */
export async function stageOrigin(
  pipeline: Pipeline,
  stage: PipelineStage,
  kind: StageKind<unknown>,
  upstream: (stage: string) => string,
  reader: InputReader,
  signal?: AbortSignal,
): Promise<OriginAndContents> {
  const config = stage.config as unknown as Json;
  const contents: Content[] = [];
  const inputs: InputOrigin[] = [];
  for (const location of kind.externalInputs(stage.config, pipeline.directory)) {
    const content = await reader.read(stage.id, location);
    contents.push(content);
    inputs.push({
      location,
      paths: findInputPaths(config, location, pipeline.directory),
      files: content.files,
      bytes: content.bytes,
      digest: content.digest,
    });
  }
  const pins = await kind.pin?.(stage.config, pipeline.directory, signal);
  const origin: Origin = {
    kind: stage.kind,
    codeVersion: kind.codeVersion,
    ...(kind.dependsOnSeed !== false && { seed: pipeline.seed }),
    ...(kind.dependsOnPrecision && { precision: pipeline.runtime.precision }),
    config,
    ...(stage.withoutEffect.length > 0 && {
      withoutEffect: stage.withoutEffect.map((path) => path.split('.')),
    }),
    references: stage.references.map((reference) => ({
      path: reference.path.split('.'),
      stage: reference.stage,
      fingerprint: upstream(reference.stage),
    })),
    inputs,
    ...(pins && Object.keys(pins).length > 0 && { pins }),
  };
  return { origin, contents };
}
