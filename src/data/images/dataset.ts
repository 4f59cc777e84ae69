import { UserError } from '../../base/errors.js';
import { type Expected, inputChanged, sha256Of } from '../../base/input-file.js';
import { Room } from '../../base/room.js';
import { crop, type CropNumbers, withJpeg } from './crop.js';
import { decodeBytes } from './decode.js';
import { isJpegName, isPlainJpeg } from './formats.js';
import { type ImageIndex, readImageIndex } from './image-index.js';
import { decodingBytes, keptBytes } from './rgb-image.js';
import { type ImageSource, openSource } from './source.js';

export interface ImageDatasetOptions {
  /** SHA-256 of every image's file by its number, where that is known: what is read must be that. */
  readonly hash?: ((index: number) => string) | undefined;
  /** Content that the files of images must have, by their absolute path. */
  readonly expected?: ReadonlyMap<string, Expected> | undefined;
  /** Prepared images are kept in memory up to this many bytes. Default 1 GiB. */
  readonly memoryLimit?: number;
}

/** Memory that a pixel takes while it is read: decoded, as the decoder keeps it meanwhile, and in the thread that crops it. */
const bytesPerPixel = 9;

const decoding = new Room(decodingBytes);

/** The output of an `images` stage with random access: images of one size, read from their files when asked for. */
export class ImageDataset {
  private readonly index: ImageIndex;
  private readonly source: ImageSource;
  private readonly hash: ((index: number) => string) | undefined;
  private readonly kept = new Map<number, Uint8Array>();
  private readonly mostKept: number;

  private constructor(
    index: ImageIndex,
    source: ImageSource,
    { memoryLimit = keptBytes, hash }: ImageDatasetOptions,
  ) {
    this.index = index;
    this.source = source;
    this.hash = hash;
    this.mostKept = Math.floor(memoryLimit / (index.set.size ** 2 * 3));
  }

  /**
   * @param directory the output folder of the `images` stage.
   * @param base absolute path of the folder that holds the images, or the files with them. The output does not name it: it
   *   is the same wherever they lie.
   */
  static async open(
    directory: string,
    base: string,
    options: ImageDatasetOptions = {},
  ): Promise<ImageDataset> {
    return ImageDataset.of(await readImageIndex(directory), base, options);
  }

  /** Opens images by a list of them, as `open` does. */
  static async of(index: ImageIndex, base: string, options: ImageDatasetOptions = {}): Promise<ImageDataset> {
    const { paths, places, set } = index;
    return new ImageDataset(
      index,
      await openSource({ base, paths, places, contained: set.contained, expected: options.expected }),
      options,
    );
  }

  get count(): number {
    return this.index.paths.length;
  }

  /** Width and height of every image in pixels. */
  get size(): number {
    return this.index.set.size;
  }

  /** Names of the classes, by label. */
  get classes(): readonly string[] {
    return this.index.set.classes;
  }

  /** Every image's label. */
  get labels(): Int32Array {
    return this.index.labels;
  }

  /** Absolute path of an image: of its file, or of the file that holds it and then its name there. */
  path(index: number): string {
    return this.source.place(index);
  }

  /** True where the caller must see to it, by `hash`, that images are what was fingerprinted. */
  get needsHashes(): boolean {
    return !this.source.isVerified;
  }

  /**
   * An image as `[size, size, 3]` bytes. It may be shared with other callers: it must not be changed.
   *
   * @throws UserError `image-missing`, `input-changed` or `image-unreadable` when its file is no longer what it was.
   */
  async read(index: number): Promise<Uint8Array> {
    const data = this.kept.get(index) ?? (await this.cropped(index, undefined, (bytes) => bytes.slice()));
    if (this.kept.size < this.mostKept) this.kept.set(index, data);
    return data;
  }

  /**
   * Calls `use` with an image as `read` gives it; its bytes may be others after that. For images of which each is wanted
   * once.
   *
   * @param numbers choose a random crop in place of the middle one; nothing is kept in memory then.
   */
  async with<T>(index: number, use: (bytes: Uint8Array) => T, numbers?: CropNumbers): Promise<T> {
    return numbers === undefined && this.mostKept > 0
      ? use(await this.read(index))
      : this.cropped(index, numbers, use);
  }

  private cropped<T>(
    index: number,
    numbers: CropNumbers | undefined,
    use: (bytes: Uint8Array) => T,
  ): Promise<T> {
    const { pixels, set } = this.index;
    return decoding.with(pixels[index]! * bytesPerPixel, async () => {
      const part = { size: this.size, numbers };
      const path = this.path(index);
      const { isVerified } = this.source;
      const content = isVerified ? await this.content(index) : undefined;
      const isJpeg = content === undefined ? isJpegName(path) : isPlainJpeg(content);
      const done =
        isJpeg && set.orientation !== 'apply'
          ? await withJpeg(
              content ?? path,
              { ...part, hash: isVerified ? undefined : this.hash?.(index) },
              use,
            )
          : undefined;
      if (done !== undefined) return done.value;
      const image = await decodeBytes(content ?? (await this.content(index)), path, set);
      return use(await crop({ image, ...part }));
    });
  }

  /** The image's file, of which every byte is what was fingerprinted: whatever is in its place now, or was for a moment. */
  private async content(index: number): Promise<Buffer> {
    const content = await this.source.read(index).catch((error: unknown) => {
      throw explained(error);
    });
    if (!this.source.isVerified && this.hash !== undefined && sha256Of(content) !== this.hash(index))
      throw inputChanged(this.path(index));
    return content;
  }

  /** Reads images into the beginning of `out`: `[batch, size, size, 3]` bytes. */
  async readBatch(indices: ArrayLike<number>, out: Uint8Array): Promise<void> {
    const bytes = this.size ** 2 * 3;
    await Promise.all(
      Array.from(indices, async (index, i) => {
        await this.with(index, (data) => {
          out.set(data, i * bytes);
        });
      }),
    );
  }
}

function explained(error: unknown): unknown {
  if (!(error instanceof UserError) || error.code !== 'file-missing') return error;
  return new UserError({
    code: 'image-missing',
    message: `${error.message.replace(/\.$/, '')}; it was there when the images were examined.`,
    remedy: 'Put it back, or run the images stage again.',
    cause: error,
  });
}
