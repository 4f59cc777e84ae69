import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readWholeTextSync } from '../../base/files.js';
import { DamagedRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';
import { replaceFile } from '../store/manifest.js';

/** Words of a person about a run. */
export interface RunNote {
  /** Name by which it can be called as by its id. */
  readonly name?: string;
  readonly tags: readonly string[];
  readonly text?: string;
}

/** Name of the file in a run's folder. */
const noteName = 'note.json';
const format = 1;

/** Note on the run in a folder; undefined where there is none, or it is damaged, which is told of. */
export function readNote(directory: string): RunNote | undefined {
  const path = join(directory, noteName);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    const { format: found, ...note } = unsealJson(readWholeTextSync(path), false);
    if (found !== format || !isNote(note)) throw new DamagedRecord('is not of the expected form');
    return note;
  } catch (error) {
    tellDamaged(path, error, 'the run is shown without its note; `npx pipeline note` writes another');
    return undefined;
  }
}

export async function writeNote(directory: string, { name, tags, text }: RunNote): Promise<void> {
  const note = { format, ...(name !== undefined && { name }), tags, ...(text !== undefined && { text }) };
  await replaceFile(join(directory, noteName), sealJson(note));
}

function isNote(value: Readonly<Record<string, unknown>>): value is typeof value & RunNote {
  const { name, tags, text } = value;
  const isText = (part: unknown): boolean => typeof part === 'string';
  return (
    Array.isArray(tags) &&
    tags.every(isText) &&
    [name, text].every((part) => part === undefined || isText(part))
  );
}

/** A note in a line: `baseline · #best · The first with flips.` */
export function noteLine({ name, tags, text }: RunNote): string {
  return [
    ...(name === undefined ? [] : [name]),
    ...(tags.length === 0 ? [] : [tags.map((tag) => `#${tag}`).join(' ')]),
    ...(text === undefined ? [] : [text]),
  ].join(' · ');
}
