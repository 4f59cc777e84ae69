import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { runCli } from '../../src/cli/run-cli.js';
import { toyRegistry } from '../runner/toy-kinds.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Stages in a file of several lines each, so that errors have a line to point at. */
export const toyYaml = (steps = 3): string => `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder:
    uses: autoencoder
    images: images
    channels: [32, 64, 96]
    steps: ${steps}
  report: { uses: report, stages: [images, autoencoder] }
`;

/** A folder with `toy.yaml` and an image; removed when the test has finished. */
export async function toyProject(): Promise<string> {
  const folder = await temporaryFolder('toy');
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'data', 'a.png'), 'a');
  await writeFile(join(folder, 'toy.yaml'), toyYaml());
  return folder;
}

/**
 * Runs the command line over the toy stages in a folder, within this process.
 *
 * @param columns width of the terminal that it prints to; elsewhere by default
 * @param env further environment variables
 */
export async function toyCommand(
  cwd: string,
  args: readonly string[],
  columns?: number,
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  const before = process.cwd();
  process.chdir(cwd);
  const [stdout, stderr] = [new Captured(columns), new Captured(columns)];
  try {
    const exitCode = await runCli(args, {
      stdout: stdout as unknown as NodeJS.WriteStream,
      stderr: stderr as unknown as NodeJS.WriteStream,
      env: { NO_COLOR: '1', CI: '1', ...env },
      loadRegistry: () => Promise.resolve(toyRegistry()),
      forceExit: () => undefined,
    });
    return { exitCode, stdout: stdout.text.trimEnd(), stderr: stderr.text.trimEnd() };
  } finally {
    process.chdir(before);
  }
}

class Captured extends Writable {
  text = '';
  readonly isTTY: boolean;

  constructor(readonly columns = 0) {
    super();
    this.isTTY = columns > 0;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
