import { open } from 'node:fs/promises';

const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** The chunk that ends every PNG: no data, its name, its checksum. */
const end = Buffer.from('\0\0\0\0IEND\xaeB`\x82', 'latin1');

/** Whether a PNG file is there from its first byte to its last, judged by its ends and without decoding it. */
export async function isWholePng(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { size } = await file.stat();
    if (size < signature.length + end.length) return false;
    const [head, tail] = [Buffer.alloc(signature.length), Buffer.alloc(end.length)];
    await file.read(head, 0, head.length, 0);
    await file.read(tail, 0, tail.length, size - tail.length);
    return head.equals(signature) && tail.equals(end);
  } finally {
    await file.close();
  }
}
