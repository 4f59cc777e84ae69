import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { writePlain } from '../../base/files.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { serveRuns } from '../../ui/server.js';
import { exitCodes, onInterrupt, say, type Services, shortPath } from '../services.js';

export interface UiOptions {
  readonly port: number;
  readonly open?: boolean;
  readonly runs?: string;
}

/** `pipeline ui`: serves pages about all runs until it is interrupted, which is how it ends well. Gives the exit code. */
export async function ui(options: UiOptions, services: Services): Promise<number> {
  const { stdout, stderr, env, forceExit } = services;
  const runsRoot = runsRootOf(process.cwd(), options.runs, env);
  const interrupts = onInterrupt(() => undefined, forceExit);
  const server = await serveRuns(runsRoot, options.port);
  // Nobody else may enter it.
  const folder = options.open === true ? await mkdtemp(join(tmpdir(), 'pipeline-ui-')) : undefined;
  try {
    say(stdout, `Runs in ${shortPath(runsRoot)}: ${server.address}\n`);
    say(stdout, 'It opens only on this machine, with this address. Press Ctrl-C to stop.\n');
    if (folder !== undefined && !(await openInBrowser(server.address, folder)))
      say(stderr, 'No browser could be started: open the address above.\n');
    if (!interrupts.signal.aborted) await once(interrupts.signal, 'abort');
  } finally {
    await server.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    interrupts.release();
  }
  return exitCodes.done;
}

/**
 * Makes the system open a page of this user's own that leads to the address: the arguments of programs can be seen by
 * all users of a machine.
 *
 * @returns whether the system could be asked to
 */
async function openInBrowser(address: string, folder: string): Promise<boolean> {
  const page = join(folder, 'open.html');
  await writePlain(
    page,
    `<!doctype html><meta http-equiv="refresh" content="0; url=${address}">\n`,
    'w',
    0o600,
  );
  const command = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const { failed } = await execa(command, [page], { reject: false, stdio: 'ignore', timeout: 10_000 });
  return !failed;
}
