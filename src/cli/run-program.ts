import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { outliveMissingParser, outliveOutput } from '../base/outlive-output.js';
import { runCli } from './run-cli.js';
import type { Services } from './services.js';

/** Runs this process's command line, and ends the process with its exit code, whatever becomes of its output. */
export async function runProgram(loadRegistry: Services['loadRegistry']): Promise<never> {
  const { stdout, stderr } = process;
  outliveMissingParser();
  const notPrinted = outliveOutput([stdout, stderr]);
  const exitCode = await runCli(process.argv.slice(2), {
    ...{ stdout, stderr, env: process.env, loadRegistry },
    forceExit: (code) => process.exit(code),
    // Errors of streams are told in the next turn.
    notPrinted: async () => {
      await turn();
      return notPrinted();
    },
  });
  for (const stream of [stdout, stderr])
    if (stream.writableNeedDrain) await once(stream, 'drain').catch(() => undefined);
  process.exit(exitCode);
}
