import { once } from 'node:events';
import { join } from 'node:path';
import { execa } from 'execa';
import { findRunsRoot } from '../../pipeline/runs-root.js';
import { serveRuns } from '../../ui/server/server.js';
import { onInterrupt } from '../interrupts.js';
import { shortPath } from '../paths.js';
import { exitCodes, type Services } from '../services.js';

export interface UiOptions {
  readonly port: number;
  readonly open?: boolean;
  readonly runs?: string;
}

/** `pipeline ui`: serves pages about all runs until it is interrupted, which is how it ends well. Gives the exit code. */
export async function ui(options: UiOptions, services: Services): Promise<number> {
  const { stdout, stderr, env, forceExit } = services;
  const runsRoot = findRunsRoot(join(process.cwd(), 'pipeline.yaml'), options.runs, env);
  const interrupts = onInterrupt(() => undefined, forceExit);
  const server = await serveRuns(runsRoot, options.port);
  try {
    stdout.write(`Runs in ${shortPath(runsRoot)}: ${server.address}\n`);
    stdout.write('Only this machine can open it, with this address. Ctrl-C ends it.\n');
    if (options.open === true && !(await openInBrowser(server.address)))
      stderr.write('No browser could be opened: open the address above.\n');
    if (!interrupts.signal.aborted) await once(interrupts.signal, 'abort');
  } finally {
    await server.close();
    interrupts.release();
  }
  return exitCodes.done;
}

/** Whether the system could be asked to. */
async function openInBrowser(address: string): Promise<boolean> {
  const command = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const { failed } = await execa(command, [address], { reject: false, stdio: 'ignore', timeout: 10_000 });
  return !failed;
}
