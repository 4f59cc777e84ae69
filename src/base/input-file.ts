import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { UserError } from './errors.js';
import { type FileState, hashOpenFile, openState, sameState } from './file-hash.js';
import { asUserError, openFile, readExactly, readWhole } from './files.js';

/** Content that a file must have to be read. */
export interface Expected {
  readonly sha256: string;
  /** The identity under which it was last seen to hold that; absent where its content has to be looked at. */
  readonly state?: FileState | undefined;
}

/** Tells what the file at an absolute path must hold; undefined for a file that it knows nothing of. */
export type Expectation = (path: string) => Promise<Expected | undefined>;

const expectations = new Set<Expectation>();

/**
 * Makes reads of files fail from now on unless they hold what `expectation` says: what is read is what was
 * fingerprinted, whoever reads it. Returns a function that ends it. Several may hold at a time; a file that
 * none knows is read as it is.
 */
export function expectContents(expectation: Expectation): () => void {
  expectations.add(expectation);
  return () => {
    expectations.delete(expectation);
  };
}

/**
 * Reads a file whole.
 *
 * @throws UserError `input-changed` where it is not what is expected; the file system's error where it cannot be read.
 */
export async function readInput(path: string): Promise<Buffer> {
  const expected = await expectedOf(path);
  const content = await readWhole(path);
  for (const { sha256 } of expected) if (sha256Of(content) !== sha256) throw inputChanged(path);
  return content;
}

/** Reads a file as text. @throws as `readInput` */
export async function readInputText(path: string): Promise<string> {
  return (await readInput(path)).toString('utf8');
}

/** Reads the lines of a text file, few in memory at a time. @throws as `readInput`, after the last line */
export async function* inputLines(path: string): AsyncGenerator<string, void> {
  const expected = await expectedOf(path);
  const hash = createHash('sha256');
  const decoder = new TextDecoder();
  let rest = '';
  const file = await openFile(path);
  for await (const chunk of file.createReadStream({ highWaterMark: 1 << 18 })) {
    hash.update(chunk as Buffer);
    const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== '') yield rest;
  const found = hash.digest('hex');
  if (expected.some(({ sha256 }) => sha256 !== found)) throw inputChanged(path);
}

/**
 * An open file that is read in parts. Its identity is compared after every part that was read; where it differs, the
 * content is hashed anew, and the part read again: only other content is an error. Close it after use.
 */
export class InputFile {
  readonly path: string;
  /** Handle for code that reads by itself, and then asks `mustBeUntouched`. */
  readonly handle: FileHandle;
  private knownSha256: string | undefined;
  private state: FileState;

  private constructor(path: string, handle: FileHandle, sha256: string | undefined) {
    this.path = path;
    this.handle = handle;
    this.knownSha256 = sha256;
    this.state = openState(handle);
  }

  /**
   * @param own what it must hold, beside what `expectContents` says
   * @throws UserError `input-changed` where it is not what is expected, or that of a file that cannot be read.
   */
  static async open(path: string, own?: Expected): Promise<InputFile> {
    const expected = [...(own ? [own] : []), ...(await expectedOf(path))];
    let handle: FileHandle;
    try {
      handle = await openFile(path);
    } catch (error) {
      throw asUserError(error, path);
    }
    try {
      const [first] = expected;
      if (first !== undefined && expected.some(({ sha256 }) => sha256 !== first.sha256))
        throw inputChanged(path);
      const file = new InputFile(path, handle, first?.sha256);
      const isSeen = expected.some(({ state }) => state && sameState(state, file.state));
      if (first !== undefined && !isSeen) await file.verify();
      return file;
    } catch (error) {
      await handle.close();
      throw asUserError(error, path);
    }
  }

  /** Size in bytes. */
  get bytes(): number {
    return this.state.bytes;
  }

  /** SHA-256 of its content, which is computed where it is not known yet, and holds from then on. */
  async sha256(): Promise<string> {
    if (this.knownSha256 === undefined) {
      const { sha256, state } = await hashOpenFile(this.handle, this.path);
      this.knownSha256 = sha256;
      this.state = state;
    }
    return this.knownSha256;
  }

  /** Fills `out` from a position of the file. @throws UserError `input-changed`, `file-truncated` */
  async read(out: Uint8Array, position: number): Promise<void> {
    do await readExactly(this.handle, out, position, this.path);
    while (!(await this.isUntouched()));
  }

  /** @throws UserError `input-changed` where what has been read may not be what is expected. */
  async mustBeUntouched(): Promise<void> {
    await this.isUntouched();
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /**
   * True when the file's identity is unchanged. Otherwise its content must be.
   *
   * @throws UserError `input-changed`
   */
  private async isUntouched(): Promise<boolean> {
    if (this.knownSha256 === undefined || sameState(openState(this.handle), this.state)) return true;
    await this.verify();
    return false;
  }

  private async verify(): Promise<void> {
    const { sha256, state } = await hashOpenFile(this.handle, this.path).catch((error: unknown) => {
      throw error instanceof UserError ? inputChanged(this.path) : error;
    });
    if (sha256 !== this.knownSha256) throw inputChanged(this.path);
    this.state = state;
  }
}

/** SHA-256 of bytes, in hexadecimal. */
export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The error of a file that is not what a run goes by. */
export function inputChanged(path: string): UserError {
  return new UserError({
    code: 'input-changed',
    message: `${path} is not what it was when this run began: its content has changed since.`,
    remedy:
      'Nothing was made of the changed file. Put the file back, or leave it as it is, and run again: what depends on it is made anew.',
  });
}

async function expectedOf(path: string): Promise<readonly Expected[]> {
  const found: Expected[] = [];
  for (const expectation of expectations) {
    const expected = await expectation(path);
    if (expected !== undefined) found.push(expected);
  }
  return found;
}
