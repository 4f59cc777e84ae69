import { PassThrough } from 'node:stream';
import { runCli } from '../../src/cli/run-cli.js';
import { stageRegistry } from '../../src/stages/registry.js';

/** Runs a command line in this process, with these variables as its environment. */
export async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const exitCode = await runCli(args, {
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    env: { NO_COLOR: '1', ...env },
    loadRegistry: () => Promise.resolve(stageRegistry),
    forceExit: () => undefined,
  });
  const text = (stream: PassThrough) => String(stream.read() ?? '');
  return { exitCode, stdout: text(stdout), stderr: text(stderr) };
}
