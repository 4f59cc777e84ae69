import { open, type FileHandle } from 'node:fs/promises';

const chunkBytes = 1 << 18;

/** Reads a text file line by line, a chunk in memory at a time. A file that is not there has no lines. */
export class LineReader {
  readonly #file: FileHandle | undefined;
  readonly #decoder = new TextDecoder();
  readonly #buffer = Buffer.allocUnsafe(chunkBytes);
  #lines: string[] = [];
  #next = 0;
  #rest = '';
  #ended = false;

  private constructor(file: FileHandle | undefined) {
    this.#file = file;
  }

  static async open(path: string): Promise<LineReader> {
    return new LineReader(await open(path, 'r').catch(() => undefined));
  }

  /** The next line that ends with a line break, without moving on to the one after it; undefined after the last. */
  async peek(): Promise<string | undefined> {
    while (this.#next === this.#lines.length && !this.#ended) await this.#fill();
    return this.#lines[this.#next];
  }

  /** Moves on from the line that `peek` gave. */
  skip(): void {
    this.#next++;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #fill(): Promise<void> {
    // A folder can be opened, but not read.
    const read = this.#file?.read(this.#buffer, 0, chunkBytes).catch(() => undefined);
    const { bytesRead } = (await read) ?? { bytesRead: 0 };
    if (bytesRead === 0) {
      this.#ended = true;
      return;
    }
    const text = this.#rest + this.#decoder.decode(this.#buffer.subarray(0, bytesRead), { stream: true });
    this.#lines = text.split('\n');
    this.#rest = this.#lines.pop()!;
    this.#next = 0;
  }
}
