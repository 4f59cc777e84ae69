import { sharedStages, sweptKeys, type PlannedTrial } from '../../pipeline/sweep/index.js';
import { usesColor, type Services } from '../services.js';
import type { ClosingOptions } from './closing.js';
import { liveSweepRenderer } from './live.js';
import { plainSweepRenderer } from './plain.js';
import type { SweepRenderer } from './renderer.js';

/** The renderer for where the output goes: events for programs, a live view for a terminal, lines for everything else. */
export function sweepRenderer(
  planned: readonly PlannedTrial[],
  options: { readonly json?: boolean; readonly sort?: string },
  { stdout, stderr, env }: Services,
): SweepRenderer {
  if (options.json === true)
    return {
      show: (event) => {
        stdout.write(`${JSON.stringify(event)}\n`);
      },
      stopping: () => undefined,
      end: () => undefined,
    };
  const isLive = stdout.isTTY && env.TERM !== 'dumb' && !env.CI;
  const closing: ClosingOptions = {
    keys: sweptKeys(planned.map(({ trial }) => trial)),
    shared: sharedStages(planned),
    sort: options.sort,
    width: stdout.isTTY ? stdout.columns : Infinity,
    color: usesColor(stdout, env),
  };
  return isLive ? liveSweepRenderer(stdout, closing) : plainSweepRenderer(stdout, stderr, closing);
}
