import { join } from 'node:path';
import { asUserError, readWhole } from '../../base/files.js';
import { type Expected, InputFile } from '../../base/input-file.js';
import { type ImageContainer, imageContainers } from './container.js';
import type { Contained } from './walk.js';

/** Images as the bytes of image files, at random and wherever they are kept. */
export interface ImageSource {
  /** True where `read` gives only what was fingerprinted; elsewhere the caller must see to it. */
  readonly isVerified: boolean;
  /** Path of an image, for messages; within a file that holds many it goes on with a name. */
  place(index: number): string;
  read(index: number): Promise<Buffer>;
}

/** The images of a set: their paths below a folder, and where files hold them, these and each one's place there. */
export interface SourceFacts {
  readonly base: string;
  readonly paths: readonly string[];
  readonly contained?: Contained | undefined;
  readonly places?: readonly (readonly number[])[] | undefined;
  /** Content that the files of images must have, by their absolute path, beside what else says so. */
  readonly expected?: ReadonlyMap<string, Expected> | undefined;
}

export async function openSource({
  base,
  paths,
  contained,
  places,
  expected,
}: SourceFacts): Promise<ImageSource> {
  const place = (index: number): string => {
    const path = paths[index];
    if (path === undefined) throw new RangeError(`there is no image ${index} among ${paths.length}`);
    return join(base, path);
  };
  if (contained === undefined || places === undefined)
    return {
      isVerified: false,
      place,
      read: async (index) => {
        const path = place(index);
        return readWhole(path).catch((error: unknown) => {
          throw asUserError(error, path);
        });
      },
    };
  const container = await containerNamed(contained.container);
  const files = new OpenFiles(
    contained.files.map((file) => join(base, file)),
    expected,
  );
  return {
    isVerified: true,
    place,
    read: (index) => {
      const [file, ...at] = places[index]!;
      return files.use(file!, (input) => container.read(input, at));
    },
  };
}

async function containerNamed(name: string): Promise<ImageContainer> {
  const container = (await imageContainers()).find((each) => each.name === name);
  if (container === undefined) throw new Error(`There are no images in ${name}.`);
  return container;
}

/** Files that stay open for a while after they are read. */
class OpenFiles {
  private readonly open = new Map<number, OpenFile>();

  constructor(
    private readonly paths: readonly string[],
    private readonly expected: SourceFacts['expected'],
  ) {}

  async use<T>(index: number, read: (file: InputFile) => Promise<T>): Promise<T> {
    const path = this.paths[index]!;
    const open = this.open.get(index) ?? {
      file: InputFile.open(path, this.expected?.get(path)),
      users: 0,
    };
    // The last of the map is the one that was used last.
    this.open.delete(index);
    this.open.set(index, open);
    open.users++;
    clearTimeout(open.closing);
    try {
      return await read(await open.file);
    } finally {
      open.users--;
      if (open.users === 0) open.closing = setTimeout(() => void this.close(index, open), keptOpenMs).unref();
      this.closeOldest();
    }
  }

  private closeOldest(): void {
    for (const [index, open] of this.open) {
      if (this.open.size <= mostOpen) return;
      if (open.users === 0) void this.close(index, open);
    }
  }

  private async close(index: number, open: OpenFile): Promise<void> {
    if (this.open.get(index) === open) this.open.delete(index);
    clearTimeout(open.closing);
    await (await open.file.catch(() => undefined))?.close().catch(() => undefined);
  }
}

interface OpenFile {
  readonly file: Promise<InputFile>;
  users: number;
  closing?: NodeJS.Timeout;
}

const mostOpen = 64;
const keptOpenMs = 2000;
