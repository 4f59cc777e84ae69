import { join } from 'node:path';
import { asUserError } from '../../base/files.js';
import { inputLines, readInputText } from '../../base/input-file.js';
import { writeFileWhole, writeOutputFile } from '../../base/output-file.js';
import type { DecodeRules } from './decode.js';
import type { Contained } from './walk.js';

/** Properties that all images of a prepared set share. */
export interface ImageSet extends DecodeRules {
  /** Width and height in pixels that images are brought to. */
  readonly size: number;
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  readonly count: number;
  /** Present where files hold the images. */
  readonly contained?: Contained;
}

/** One image of a prepared set. */
export interface ImageEntry {
  /** Below the folder of the images, with `/`. */
  readonly path: string;
  readonly label: number;
  /** Width and height of the file's image. */
  readonly width: number;
  readonly height: number;
  /** Place in a file that holds many. */
  readonly at?: readonly number[];
}

export interface ImageIndex {
  readonly set: ImageSet;
  readonly paths: readonly string[];
  readonly labels: Int32Array;
  /** Number of pixels of each file's image. */
  readonly pixels: Uint32Array;
  /** Place of each image, where files hold them. */
  readonly places?: readonly (readonly number[])[];
}

const setName = 'set.json';
const entriesName = 'index.jsonl';
const linesPerWrite = 4096;

/** Writes `index.jsonl`, a line `[path, label, width, height, ...at]` an image, and then `set.json`. */
export async function writeImageIndex(
  directory: string,
  set: ImageSet,
  entries: readonly ImageEntry[],
): Promise<void> {
  await writeOutputFile(join(directory, entriesName), async (file) => {
    for (let start = 0; start < entries.length; start += linesPerWrite) {
      const lines = entries
        .slice(start, start + linesPerWrite)
        .map(
          ({ path, label, width, height, at = [] }) =>
            JSON.stringify([path, label, width, height, ...at]) + '\n',
        );
      await file.write(Buffer.from(lines.join('')));
    }
  });
  await writeFileWhole(join(directory, setName), JSON.stringify(set, undefined, 1) + '\n');
}

/** Reads what {@link writeImageIndex} wrote. */
export async function readImageIndex(directory: string): Promise<ImageIndex> {
  try {
    const set = JSON.parse(await readInputText(join(directory, setName))) as ImageSet;
    const paths: string[] = [];
    const labels = new Int32Array(set.count);
    const pixels = new Uint32Array(set.count);
    const places: (readonly number[])[] = [];
    for await (const line of inputLines(join(directory, entriesName))) {
      const [path, label, width, height, ...at] = JSON.parse(line) as [
        string,
        number,
        number,
        number,
        ...number[],
      ];
      if (set.contained) places.push(at);
      labels[paths.length] = label;
      pixels[paths.length] = width * height;
      paths.push(path);
    }
    return { set, paths, labels, pixels, ...(set.contained && { places }) };
  } catch (error) {
    throw asUserError(error, directory);
  }
}
