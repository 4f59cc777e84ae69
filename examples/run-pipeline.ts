import { resolve } from 'node:path';
import {
  formatDiagnostics,
  formatReason,
  loadPipeline,
  makePlan,
  runPipeline,
  stageRegistry,
} from 'mediator-sit';
import { filter, lastValueFrom, tap, throttleTime } from 'rxjs';

/**
 * Runs a pipeline file from a program, as `npx pipeline run` does: tells what is cached and why the rest runs, follows it, and
 * interrupts it cleanly on Ctrl-C.
 *
 *   npx tsx examples/run-pipeline.ts FILE [KEY=VALUE]…
 */

const [file = '', ...set] = process.argv.slice(2);
const loaded = await loadPipeline(file, { set });
if (!loaded.ok) {
  console.error(formatDiagnostics(loaded.diagnostics));
  process.exit(2);
}
const { pipeline, sources } = loaded;
const interruption = new AbortController();
process.once('SIGINT', () => {
  interruption.abort(new DOMException('Ctrl-C', 'AbortError'));
});
const options = {
  ...{ pipeline, registry: stageRegistry, runsRoot: resolve('runs'), signal: interruption.signal },
};

for (const { stage, reasons } of (await makePlan(options)).stages)
  console.log(`${stage.id}: ${reasons.length === 0 ? 'cached' : reasons.map(formatReason).join(', ')}`);

const events = runPipeline({ ...options, set, sources });
const progress = events.pipe(
  tap((event) => {
    if (event.type === 'stage-finished') console.log(`${event.stage}: ${JSON.stringify(event.summary)}`);
    if (event.type === 'stage-failed') console.error(`${event.stage}: ${event.failure.message}`);
  }),
  filter((event) => event.type === 'stage-event' && event.event.type === 'progress'),
  throttleTime(5_000),
  tap((event) => {
    if (event.type === 'stage-event' && event.event.type === 'progress')
      console.log(`${event.stage}: ${event.event.done} of ${event.event.total}`);
  }),
);
await lastValueFrom(progress, { defaultValue: undefined });
