import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { concat, concatMap, defer, from, type Observable, range } from 'rxjs';
import { UserError } from '../../src/base/errors.js';
import { abortable } from '../../src/base/streams.js';
import { runProgram } from '../../src/cli/run-cli.js';
import type { StageContext, StageEvent, StageKind } from '../../src/runner/stage.js';
import { toyRegistry } from '../runner/toy-kinds.js';

// The real command line over toy stages of which one can be run by several workers: it counts, slowly, and does to
// one of its workers what TOY_MISHAP says, such as `kill 1` (rank), in the session whose number TOY_MISHAP_SESSION gives.

const stepMs = 20;

const train: Partial<StageKind<never>> = {
  dataParallel: true,
  describe: () => Promise.resolve([]),
  run: (config: { readonly steps: number }, context): Observable<StageEvent> => {
    const { rank, size } = context.workers!;
    const file = join(context.directory, `worker-${rank}.txt`);
    return from(begin(file, context)).pipe(
      concatMap(({ done, session }) =>
        concat(
          range(done, config.steps - done).pipe(
            concatMap(async (step) => {
              await sleep(stepMs);
              if (step === done + 3) await mishap(rank, session);
              await appendFile(file, `step ${step}\n`);
              return { type: 'progress', done: step + 1, total: config.steps, unit: 'steps' } as const;
            }),
            abortable<StageEvent>(context.signal),
          ),
          defer(() => (rank === 0 ? finish(context, size) : from([]))),
        ),
      ),
    );
  },
};

async function begin(file: string, context: StageContext): Promise<{ done: number; session: number }> {
  const { rank } = context.workers!;
  const log = process.env.TOY_SESSIONS!;
  await appendFile(`${log}.${rank}`, `${process.pid}\n`);
  const session = (await readFile(`${log}.${rank}`, 'utf8')).trim().split('\n').length;
  if (process.env.TOY_MISHAP === `freeze-first ${rank}`) process.kill(process.pid, 'SIGSTOP');
  const text = await readFile(file, 'utf8').catch(() => '');
  return { done: text.split('\n').length - 1, session };
}

/** The last worker takes its time, so that worker 0 must wait. */
async function finish({ workers, directory }: StageContext, size: number): Promise<StageEvent> {
  await workers!.othersDone();
  const parts = await Promise.all(
    Array.from({ length: size }, (_, rank) => readFile(join(directory, `worker-${rank}.txt`), 'utf8')),
  );
  const steps = parts.reduce((sum, text) => sum + text.split('\n').length - 1, 0);
  await writeFile(join(directory, 'all.txt'), `${steps}\n`);
  return { type: 'summary', values: { steps } };
}

async function mishap(rank: number, session: number): Promise<void> {
  const [what, who] = (process.env.TOY_MISHAP ?? 'none').split(' ');
  if (what === 'slow' && rank !== 0) await sleep(500);
  if (session !== Number(process.env.TOY_MISHAP_SESSION ?? 1)) return;
  if (what === 'fail-all')
    throw new UserError({ code: 'toy-failed', message: 'The toy cannot go on.', remedy: 'Wind it up.' });
  if (Number(who) !== rank) return;
  if (what === 'port') throw new UserError({ code: 'worker-port-taken', message: 'The toy has no port.' });
  if (what === 'kill') process.kill(process.pid, 'SIGKILL');
  if (what === 'freeze') process.kill(process.pid, 'SIGSTOP');
  // Attends to nothing any more, as in a native call that does not return.
  if (what === 'block') for (;;);
  if (what === 'defect') throw new TypeError('A spring is missing.');
  if (what === 'crash') {
    process.stderr.write('a last word\n', () => process.exit(7));
    await sleep(10_000);
  }
}

await runProgram(() => Promise.resolve(toyRegistry({ train })));
