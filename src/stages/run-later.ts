import { defer, mergeMap } from 'rxjs';
import type { StageKind } from '../pipeline/stage.js';

/**
 * The `run` of a kind that loads what runs it only then: to plan a pipeline neither tensors nor the native library are
 * needed, and loading them takes longer than planning.
 */
export function runLater<Config>(
  load: () => Promise<{ readonly run: StageKind<Config>['run'] }>,
): StageKind<Config>['run'] {
  return (config, context) => defer(load).pipe(mergeMap(({ run }) => run(config, context)));
}
