import { join } from 'node:path';
import { UserError } from '../../errors.js';
import type { ImagesConfig } from '../../config/generated/index.js';
import {
  checkFilled,
  decodeImage,
  listSome,
  type ImageEntry,
  type LabelledImages,
} from '../../data/images/index.js';

/** An image that is left out, and why. */
export interface SkippedImage {
  readonly path: string;
  readonly reason: string;
}

/** What opening one image showed. */
export type Outcome =
  | { readonly kind: 'usable' | 'small'; readonly entry: ImageEntry }
  | { readonly kind: 'corrupt'; readonly path: string; readonly reason: string };

type Rules = Pick<ImagesConfig, 'size' | 'smallImages' | 'background' | 'maxCorrupt'>;

/** Decodes one image in full, to see that it can be, and measures it. */
export async function examineImage(
  root: string,
  { paths, labels }: LabelledImages,
  index: number,
  { size, background }: Rules,
): Promise<Outcome> {
  const path = paths[index]!;
  const file = join(root, path);
  try {
    const { width, height } = await decodeImage(file, background);
    const kind = Math.min(width, height) < size ? 'small' : 'usable';
    return { kind, entry: { path, label: labels[index]!, width, height } };
  } catch (error) {
    if (!(error instanceof UserError) || !ownFault.has(error.code)) throw error;
    return { kind: 'corrupt', path, reason: error.message.slice(`${file}: `.length, -1) };
  }
}

/** Errors that say that this one file is bad, rather than that none can be read. */
const ownFault = new Set(['image-unreadable', 'file-missing', 'not-a-file', 'permission-denied']);

/** So many images against the rules that the rest need not be looked at. */
const hopeless = 100;

/** Collects outcomes and judges them by the stage's rules. */
export class Examination {
  readonly usable: ImageEntry[] = [];
  readonly skipped: SkippedImage[] = [];
  readonly #root: string;
  readonly #rules: Rules;
  readonly #corrupt: string[] = [];
  readonly #tooSmall: string[] = [];
  #examined = 0;

  constructor(root: string, rules: Rules) {
    this.#root = root;
    this.#rules = rules;
  }

  add(outcome: Outcome): void {
    this.#examined++;
    if (outcome.kind === 'corrupt') {
      this.#corrupt.push(`${outcome.path}: ${outcome.reason}`);
      this.skipped.push({ path: outcome.path, reason: outcome.reason });
    } else if (outcome.kind === 'usable' || this.#rules.smallImages === 'upscale') {
      this.usable.push(outcome.entry);
    } else this.#addSmall(outcome.entry);
  }

  /** Whether more than enough is wrong to stop at once. */
  get isHopeless(): boolean {
    return this.#corrupt.length >= this.#rules.maxCorrupt + hopeless || this.#tooSmall.length >= hopeless;
  }

  /**
   * @throws UserError `images-corrupt`, `images-too-small`, `class-without-images` or `one-class-only`.
   */
  check(classes: readonly string[]): void {
    const { maxCorrupt, size } = this.#rules;
    if (this.#corrupt.length > maxCorrupt) {
      throw new UserError({
        code: 'images-corrupt',
        message: `${this.#root}: ${this.#corrupt.length} of ${this.#examined} images cannot be read, where \`maxCorrupt\` allows ${maxCorrupt}:${listSome(this.#corrupt)}`,
        remedy: 'Replace or remove these files, or raise `maxCorrupt` to leave them out.',
      });
    }
    if (this.#tooSmall.length > 0) {
      throw new UserError({
        code: 'images-too-small',
        message: `${this.#root}: ${this.#tooSmall.length} of ${this.#examined} images are smaller than ${size} by ${size} pixels:${listSome(this.#tooSmall)}`,
        remedy: 'Lower `size`, or set `smallImages` to `skip` (leave them out) or `upscale` (enlarge them).',
      });
    }
    checkFilled(
      this.#root,
      classes,
      Int32Array.from(this.usable, ({ label }) => label),
    );
  }

  #addSmall({ path, width, height }: ImageEntry): void {
    if (this.#rules.smallImages === 'refuse') this.#tooSmall.push(`${path} (${width} by ${height})`);
    else this.skipped.push({ path, reason: `it has ${width} by ${height} pixels` });
  }
}
