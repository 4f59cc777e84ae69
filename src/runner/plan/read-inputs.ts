import { UserError } from '../../base/errors.js';
import { asUserError, pathOf } from '../../base/files.js';
import { type Content, readContent } from '../fingerprint/content.js';
import { hashesFolder } from '../store/manifest.js';

export interface InputProgress {
  readonly stage: string;
  /** Files that have been read. How many there are is known at the end. */
  readonly done: number;
}

/** Reads the files and folders that stages take from outside. Each is read once, however many stages name it. */
export class InputReader {
  private readonly runsRoot: string;
  private readonly onProgress: (progress: InputProgress) => void;
  private readonly signal: AbortSignal | undefined;
  private readonly contents = new Map<string, Promise<Content>>();

  constructor(
    runsRoot: string,
    options: { onProgress?: (progress: InputProgress) => void; signal?: AbortSignal } = {},
  ) {
    this.runsRoot = runsRoot;
    this.onProgress = options.onProgress ?? (() => undefined);
    this.signal = options.signal;
  }

  /** @throws UserError where the file or folder is missing or cannot be read. */
  read(stage: string, location: string): Promise<Content> {
    let content = this.contents.get(location);
    if (content === undefined) {
      content = this.readNow(stage, location);
      this.contents.set(location, content);
    }
    return content;
  }

  private async readNow(stage: string, location: string): Promise<Content> {
    try {
      return await readContent(location, {
        hashes: hashesFolder(this.runsRoot),
        leaveOut: this.runsRoot,
        onProgress: (done) => {
          this.onProgress({ stage, done });
        },
        ...(this.signal && { signal: this.signal }),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        throw new InputMissing(stage, pathOf(error) ?? location, error);
      throw asUserError(error, pathOf(error) ?? location);
    }
  }
}

export class InputMissing extends UserError {
  /** Absolute path. */
  readonly location: string;

  constructor(stage: string, location: string, cause?: unknown) {
    super({
      code: 'input-missing',
      usage: true,
      message: `Stage ${stage} reads ${location}, which does not exist.`,
      remedy: `Check the path in the pipeline file; relative paths start at its folder.`,
      cause,
    });
    this.location = location;
  }
}
