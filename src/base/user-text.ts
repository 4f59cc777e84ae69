import { UserError } from './errors.js';
import { readInput } from './input-file.js';

/**
 * Reads a text file that a person made: UTF-8 or UTF-16, with a byte order mark or without.
 *
 * @throws UserError `text-encoding`, naming the line, and as `readInput`
 */
export async function readUserText(path: string): Promise<string> {
  return decodeUserText(await readInput(path), path);
}

function decodeUserText(bytes: Buffer, path: string): string {
  const encoding = utf16Of(bytes) ?? 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw unknownEncoding(bytes, path, encoding, error);
  }
}

/** The order of bytes where a text is UTF-16: by its mark, or by the zeros in every other byte. */
function utf16Of(bytes: Buffer): 'utf-16le' | 'utf-16be' | undefined {
  const mark = bytes.toString('hex', 0, 2);
  if (mark === 'fffe') return 'utf-16le';
  if (mark === 'feff') return 'utf-16be';
  const zeros = [0, 0];
  const looked = Math.min(bytes.length, 1024) & ~1;
  for (let i = 0; i < looked; i++) if (bytes[i] === 0) zeros[i % 2]!++;
  const most = looked / 4;
  if (looked === 0 || Math.max(...zeros) <= most) return undefined;
  return zeros[1]! > most ? 'utf-16le' : 'utf-16be';
}

function unknownEncoding(bytes: Buffer, path: string, encoding: string, cause: unknown): UserError {
  let [start, line] = [0, 1];
  const isWrong = (part: Buffer): boolean => part.toString('utf8').includes('\uFFFD');
  if (encoding === 'utf-8')
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (isWrong(bytes.subarray(start, end))) break;
      start = end + 1;
      line++;
    }
  const end = bytes.indexOf(10, start);
  const shown = bytes.toString('latin1', start, end < 0 ? bytes.length : end).trim();
  return new UserError({
    code: 'text-encoding',
    message:
      encoding === 'utf-8'
        ? `${path}:${line}: expected UTF-8 or UTF-16, found other bytes; as Latin-1 they read ${JSON.stringify(shown.slice(0, 80))}.`
        : `${path}: not valid UTF-16, of which it has the byte order mark.`,
    remedy: 'Save it as UTF-8, such as by `iconv -f LATIN1 -t UTF-8 OLD > NEW`.',
    cause,
  });
}
