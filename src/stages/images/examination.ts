import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { appendPlain, asUserError, openFile } from '../../base/files.js';
import { inputChanged, sha256Of } from '../../base/input-file.js';
import { DamagedRecord, isCutOff, sealLine, tellDamaged, unsealLine } from '../../base/sealed.js';
import { isFoundImage, type LabelledImages, listSome } from '../../data/images/walk.js';
import { decodeBytes } from '../../data/images/decode.js';
import { factsOfFile, type FileFacts } from '../../data/images/file-facts.js';
import type { ImageEntry } from '../../data/images/image-index.js';
import { checkFilled } from '../../data/images/scan.js';
import type { ImageSource } from '../../data/images/source.js';
import type { ImagesConfig } from '../../generated/index.js';
import { noContent } from '../../runner/fingerprint/content.js';
import { Surveyor } from './survey.js';

/** An image that is left out, and why. */
export interface SkippedImage {
  readonly path: string;
  readonly reason: string;
}

/** Result of opening one image. */
type Outcome =
  /** `sha256` is of the file's content, where that could be read. */
  | {
      readonly kind: 'usable' | 'small';
      readonly entry: ImageEntry;
      readonly facts: FileFacts;
      readonly sha256: string;
    }
  | { readonly kind: 'corrupt'; readonly path: string; readonly reason: string; readonly sha256?: string };

type Rules = Pick<ImagesConfig, 'size' | 'smallImages' | 'background' | 'orientation' | 'maxCorrupt'>;

/** Decodes one image in full, to see that it can be, and measures it. */
export async function examineImage(
  source: ImageSource,
  { paths, labels, places }: LabelledImages,
  index: number,
  rules: Rules,
): Promise<Outcome> {
  const path = paths[index]!;
  const file = source.place(index);
  const at = places?.[index];
  let sha256: string | undefined;
  try {
    const content = await source.read(index);
    sha256 = sha256Of(content);
    const { width, height } = await decodeBytes(content, file, rules);
    const facts = await factsOfFile(content);
    const kind = Math.min(width, height) < rules.size ? 'small' : 'usable';
    return { kind, entry: { path, label: labels[index]!, width, height, ...(at && { at }) }, facts, sha256 };
  } catch (error) {
    if (!(error instanceof UserError) || !ownFault.has(error.code)) throw error;
    const own = `${file}: `;
    const reason = error.message.slice(error.message.startsWith(own) ? own.length : 0, -1);
    return { kind: 'corrupt', path, reason, ...(sha256 !== undefined && { sha256 }) };
  }
}

/** Errors that say that this one file is bad, rather than that none can be read. */
const ownFault = new Set([
  'image-unreadable',
  'container-invalid',
  'file-missing',
  'not-a-file',
  'permission-denied',
]);

/** So many images against the rules that the rest need not be looked at. */
const hopeless = 100;

/** Collects outcomes and judges them by the stage's rules. */
export class Examination {
  readonly usable: ImageEntry[] = [];
  readonly skipped: SkippedImage[] = [];
  readonly surveyor = new Surveyor();
  private readonly root: string;
  private readonly rules: Rules;
  private readonly corrupt: string[] = [];
  private readonly tooSmall: string[] = [];
  /** Hash of each image that was examined, in their order. */
  private readonly hashes: (string | undefined)[] = [];

  constructor(root: string, rules: Rules) {
    this.root = root;
    this.rules = rules;
  }

  add(outcome: Outcome): void {
    this.hashes.push(outcome.sha256);
    if (outcome.kind === 'corrupt') {
      this.corrupt.push(`${outcome.path}: ${outcome.reason}`);
      this.skipped.push({ path: outcome.path, reason: outcome.reason });
    } else if (outcome.kind === 'usable' || this.rules.smallImages === 'upscale') {
      this.usable.push(outcome.entry);
      this.surveyor.add(outcome.facts, outcome.sha256, outcome.entry.label);
    } else this.addSmall(outcome.entry);
  }

  /** True when more than enough is wrong to stop at once. */
  get isHopeless(): boolean {
    return this.corrupt.length >= this.rules.maxCorrupt + hopeless || this.tooSmall.length >= hopeless;
  }

  /**
   * @throws UserError `images-corrupt`, `images-too-small` or `class-without-images`.
   */
  check(classes: readonly string[]): void {
    const { maxCorrupt, size } = this.rules;
    if (this.corrupt.length > maxCorrupt) {
      throw new UserError({
        code: 'images-corrupt',
        message: `${this.root}: ${this.corrupt.length} of ${this.hashes.length} images cannot be read, where \`maxCorrupt\` allows ${maxCorrupt}:${listSome(this.corrupt)}`,
        remedy: 'Replace or remove these files, or raise `maxCorrupt` to leave them out.',
      });
    }
    if (this.tooSmall.length > 0) {
      throw new UserError({
        code: 'images-too-small',
        message: `${this.root}: ${this.tooSmall.length} of ${this.hashes.length} images are smaller than ${size} by ${size} pixels:${listSome(this.tooSmall)}`,
        remedy: 'Lower `size`, or set `smallImages` to `skip` (leave them out) or `upscale` (enlarge them).',
      });
    }
    checkFilled(
      this.root,
      classes,
      Int32Array.from(this.usable, ({ label }) => label),
    );
  }

  /**
   * Compares what was examined with what was fingerprinted, image by image: as far as it was, where it was hopeless.
   *
   * @param listing name and SHA-256 of every file below the images' folder, in the order of names
   * @param labels where the classes come from, and so which images should have been found
   * @throws UserError `input-changed`
   */
  async mustBe(
    listing: AsyncIterable<readonly [name: string, sha256: string]>,
    { paths }: LabelledImages,
    labels: ImagesConfig['labels'],
  ): Promise<void> {
    const wanted = labels === 'folders' ? new Set(paths.map((path) => path.split('/')[0]!)) : undefined;
    let next = 0;
    for await (const [name, sha256] of listing) {
      if (next === this.hashes.length && next < paths.length) return;
      if (name === paths[next]) {
        if ((this.hashes[next++] ?? noContent) !== sha256) throw inputChanged(join(this.root, name));
      } else if (typeof labels === 'string' && isFoundImage(name, wanted))
        throw inputChanged(join(this.root, name));
    }
    if (next < paths.length) throw inputChanged(join(this.root, paths[next]!));
  }

  private addSmall({ path, width, height }: ImageEntry): void {
    if (this.rules.smallImages === 'refuse') this.tooSmall.push(`${path} (${width} by ${height})`);
    else this.skipped.push({ path, reason: `it has ${width} by ${height} pixels` });
  }
}

/** Outcomes that an interruption may lose, which are found again in seconds. */
const outcomesPerWrite = 500;

/**
 * Log of the result of opening each image, in order, kept while an examination is under way: one of a million images
 * that is interrupted goes on where it was. Only outcomes that wait to be written are in memory.
 */
export class OutcomeLog {
  private waiting: string[] = [];

  private constructor(private readonly path: string) {}

  /**
   * Opens the log of a stage's folder, new or as an interrupted session left it.
   *
   * @param recall told the outcomes that it holds, up to the first corrupt image, which may have been mended since
   */
  static async open(directory: string, recall: (outcome: Outcome) => void): Promise<OutcomeLog> {
    const path = join(directory, 'examined.partial.jsonl');
    let bytes = 0;
    let damage: { readonly found: unknown; readonly line: string } | undefined;
    let isLast = true;
    try {
      const file = await openFile(path, 'r+');
      try {
        for await (const line of file.readLines({ autoClose: false, start: 0 })) {
          if (damage !== undefined) {
            isLast = false;
            break;
          }
          try {
            const outcome = unsealLine(line) as Outcome;
            if (outcome.kind === 'corrupt') break;
            recall(outcome);
            bytes += Buffer.byteLength(line) + 1;
          } catch (error) {
            if (!(error instanceof DamagedRecord)) throw error;
            damage = { found: error, line };
          }
        }
        if (damage !== undefined && !(isLast && isCutOff(damage.line)))
          tellDamaged(path, damage.found, 'the images from there on are examined again');
        await file.truncate(bytes);
      } finally {
        await file.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asUserError(error, path);
    }
    return new OutcomeLog(path);
  }

  async add(outcome: Outcome): Promise<void> {
    this.waiting.push(sealLine(outcome) + '\n');
    if (this.waiting.length >= outcomesPerWrite) await this.flush();
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    const lines = this.waiting.join('');
    this.waiting = [];
    await appendPlain(this.path, lines).catch((error: unknown) => {
      throw asUserError(error, this.path);
    });
  }

  /** The examination is over: its results are written elsewhere. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}
