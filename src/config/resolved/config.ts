import type { Pipeline } from '../pipeline.js';

/** A pipeline as a file would have it that leaves nothing out: no `extends`, every default and environment variable filled in. */
export function resolvedConfig({
  name,
  seed,
  runtime,
  sweep,
  stages,
}: Pipeline): Readonly<Record<string, unknown>> {
  return {
    name,
    seed,
    runtime,
    ...(sweep && { sweep }),
    stages: Object.fromEntries(
      Array.from(stages.values(), ({ id, kind, own, config }) => [id, { uses: kind, ...own, ...config }]),
    ),
  };
}
