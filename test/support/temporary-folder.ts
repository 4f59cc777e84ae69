import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new folder, with a space and a letter beyond ASCII in its path, that is removed when the test has finished. */
export async function temporaryFolder(name: string): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), `${name} ü `)));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
