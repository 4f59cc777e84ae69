import { findRunsRoot, runPipeline, type TimedRunEvent } from '../../pipeline/index.js';
import type { PlanCommandOptions } from '../options.js';
import { onInterrupt } from '../interrupts.js';
import { loadWithSources } from '../load.js';
import { jsonRenderer } from '../renderers/json.js';
import { plainRenderer } from '../renderers/plain.js';
import type { Renderer } from '../renderers/renderer.js';
import { terminalRenderer } from '../renderers/terminal.js';
import { exitCodes, usesColor, type Services } from '../services.js';

/** `pipeline run`: runs a file and shows it. Gives the exit code. */
export async function run(file: string, options: PlanCommandOptions, services: Services): Promise<number> {
  const loaded = await loadWithSources(file, options.set, services);
  if (loaded === undefined) return exitCodes.invalid;
  const { pipeline, sources } = loaded;
  const renderer = chooseRenderer(options, services);
  const interrupts = onInterrupt(() => {
    renderer.stopping();
  }, services.forceExit);
  let last: TimedRunEvent | undefined;
  try {
    const events = runPipeline({
      pipeline,
      registry: await services.loadRegistry(),
      runsRoot: findRunsRoot(pipeline.file, options.runs, services.env),
      until: options.until,
      force: options.force,
      set: options.set,
      sources,
      signal: interrupts.signal,
    });
    await events.forEach((event) => {
      last = event;
      renderer.show(event);
    });
  } finally {
    interrupts.release();
    renderer.end();
  }
  return exitCode(last);
}

function exitCode(last: TimedRunEvent | undefined): number {
  switch (last?.type) {
    case 'run-finished':
      return exitCodes.done;
    case 'run-interrupted':
      return exitCodes.interrupted;
    default:
      return exitCodes.failed;
  }
}

function chooseRenderer(options: PlanCommandOptions, { stdout, stderr, env }: Services): Renderer {
  if (options.json === true) return jsonRenderer(stdout);
  if (stdout.isTTY && env.TERM !== 'dumb' && !env.CI)
    return terminalRenderer(stdout, stderr, { color: usesColor(stdout, env) });
  return plainRenderer(stdout, stderr);
}
