import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

/** A temporary folder with files: `true` is a PNG of 8 by 8 pixels, a pair of numbers one of that size. */
export async function folderWith(files: Record<string, string | true | [number, number]>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'images-'));
  made.push(root);
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    if (typeof content === 'string') await writeFile(path, content);
    else await writeFile(path, await blank(content === true ? [8, 8] : content));
  }
  return root;
}

const made: string[] = [];

export async function removeFolders(): Promise<void> {
  await Promise.all(made.splice(0).map((root) => rm(root, { recursive: true })));
}

function blank([width, height]: [number, number]): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#336699' } })
    .png()
    .toBuffer();
}
