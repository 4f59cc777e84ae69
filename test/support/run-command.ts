import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { vi } from 'vitest';
import { runCli } from '../../src/cli/run-cli.js';
import { stageRegistry } from '../../src/stages/registry.js';

/** Runs a command line in this process, with a hub at `url` and everything that it keeps in `folder`. */
export async function runOnHub(
  args: readonly string[],
  { url, folder }: { readonly url: string; readonly folder: string },
  env: Readonly<Record<string, string>>,
) {
  const places = { HF_HOME: join(folder, 'cache'), HF_ENDPOINT: url, PIPELINE_RUNS: join(folder, 'runs') };
  const all = { ...places, ...env };
  for (const [key, value] of Object.entries(all)) vi.stubEnv(key, value);
  try {
    const { exitCode, stdout, stderr } = await runCommand(args, all);
    return { exitCode, text: (stdout + stderr).replace(/\s+/g, ' ') };
  } finally {
    vi.unstubAllEnvs();
  }
}

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
