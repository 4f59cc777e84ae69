import { createRequire } from 'node:module';
import type { StageKind } from '../../runner/stage.js';

const require = createRequire(import.meta.url);

/**
 * The `run` of a kind that loads what runs it only then: to plan a pipeline neither tensors nor the native library are
 * needed, nor RxJS, and loading them takes longer than planning.
 */
export function runLater<Config>(
  load: () => Promise<{ readonly run: StageKind<Config>['run'] }>,
): StageKind<Config>['run'] {
  return (config, context) => {
    const { defer, mergeMap } = require('rxjs') as typeof import('rxjs');
    return defer(load).pipe(mergeMap(({ run }) => run(config, context)));
  };
}
