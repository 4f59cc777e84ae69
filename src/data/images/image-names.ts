import { posix } from 'node:path';
import { isImageName } from './formats.js';

/**
 * Images by the names that lists call them: their path, with or without its ending, or the last part of it where only one
 * image has that. Composed and decomposed letters are the same.
 */
export class ImageNames {
  private readonly tables: (Map<string, number> | undefined)[] = [];

  /**
   * @param paths of the images, each below the folder of them
   * @param inner names that images have in the files that hold them, too
   */
  constructor(
    readonly paths: readonly string[],
    private readonly inner: readonly string[] = [],
  ) {}

  /** Number of the image of a name; `several` where some share it, undefined where none has it. */
  find(name: string): number | 'several' | undefined {
    const path = posix.normalize(name.normalize('NFC'));
    for (const [i, spell] of spellings.entries()) {
      const found = this.table(i).get(spell(path));
      if (found !== undefined) return found === several ? 'several' : found;
    }
    return undefined;
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  private table(spelling: number): Map<string, number> {
    return (this.tables[spelling] ??= this.build(spellings[spelling]!));
  }

  private build(spell: (path: string) => string): Map<string, number> {
    const table = new Map<string, number>();
    for (const names of [this.paths, this.inner])
      for (const [i, name] of names.entries()) {
        const key = spell(name.normalize('NFC'));
        const before = table.get(key);
        table.set(key, before === undefined || before === i ? i : several);
      }
    return table;
  }
}

const several = -1;

const withoutEnding = (path: string): string =>
  isImageName(path) ? path.slice(0, path.length - posix.extname(path).length) : path;

/** Ever shorter forms of a path, in the order in which they are looked for. */
const spellings: readonly ((path: string) => string)[] = [
  (path) => path,
  withoutEnding,
  (path) => posix.basename(path),
  (path) => withoutEnding(posix.basename(path)),
];
