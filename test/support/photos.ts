import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePng } from '../../src/data/images/png.js';

/** Makes a folder with images in three class folders of `my photos`. */
export async function photosFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'init ü ')));
  for (const [k, name] of ['cats', 'dogs', '2024'].entries()) {
    await mkdir(join(folder, 'my photos', name), { recursive: true });
    for (let i = 0; i < 8; i++)
      await writePng(join(folder, 'my photos', name, `${i}.png`), {
        ...{ width: 40, height: 48 },
        data: Uint8Array.from({ length: 40 * 48 * 3 }, (_, j) => (j * (k + 1) + 31 * i) % 256),
      });
  }
  return folder;
}
