import { readdirSync } from 'node:fs';
import { UserError } from '../../base/errors.js';
import type { InputFile } from '../../base/input-file.js';
import type { PassedOver } from './formats.js';

/** An image in a file that holds many. */
export interface ContainedImage {
  /** In the file, with `/`; unique there. */
  readonly name: string;
  /** Numbers by which `read` finds it again without looking at the rest of the file: as many for each image. */
  readonly at: readonly number[];
  /** By the file's own labels, where it has any. */
  readonly className?: string | undefined;
}

/** Content of a file that holds many images. */
export interface Contents {
  readonly images: readonly ContainedImage[];
  /** Names of all classes in the order of their labels, where the file tells. */
  readonly classes?: readonly string[] | undefined;
  /** Members that are no images. */
  readonly passedOver?: PassedOver;
  readonly oddities?: Oddities;
  /** Types of its labels, where the file tells numbers from texts. */
  readonly labelTypes?: ReadonlySet<LabelType>;
}

/** Numbers and texts name classes of two sets: none is the same in both. */
export type LabelType = 'numbers' | 'texts';

/** Type of a label in a file that tells numbers from texts. */
export function labelType(label: unknown): LabelType {
  return typeof label === 'string' || label instanceof Uint8Array ? 'texts' : 'numbers';
}

/** Names of parts of a file that may be amiss, by what they have in common, as the beginning of a sentence. */
export type Oddities = ReadonlyMap<string, readonly string[]>;

interface ListOptions {
  /** Absolute paths of all files that belong together, in order: what one of them lacks another may have. */
  readonly files: readonly string[];
  /** True where nobody asks for classes: the file's own labels do not matter. */
  readonly withoutClasses?: boolean;
}

/** A form of files that hold many images, such as tar. Each is declared in a file of `containers/`, and found there. */
export interface ImageContainer {
  readonly name: string;
  /** Matches the names of its files. */
  readonly fileName: RegExp;
  /** Lists the images of a file in the order in which they are stored, reading as little of it as can be. */
  list(file: InputFile, options: ListOptions): Promise<Contents>;
  /** Gives an image as the bytes of an image file. */
  read(file: InputFile, at: readonly number[]): Promise<Buffer>;
}

let loaded: Promise<readonly ImageContainer[]> | undefined;

/** Every form that there is. */
export function imageContainers(): Promise<readonly ImageContainer[]> {
  return (loaded ??= load());
}

async function load(): Promise<readonly ImageContainer[]> {
  const folder = new URL('containers/', import.meta.url);
  const files = readdirSync(folder).filter((name) => /(?<!\.d)\.[jt]s$/.test(name));
  const modules = files.sort().map((name) => import(new URL(name, folder).href));
  return (await Promise.all(modules)).map((module: { container: ImageContainer }) => module.container);
}

/** The error of a file of images that cannot be read as what its name says. */
export function badContainer(path: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'container-invalid',
    message: `${path}: ${problem}.`,
    remedy: 'Copy, download or make the file again.',
    cause,
  });
}
