import { crc32 } from 'node:zlib';
import { isAbsent } from './existence.js';
import { UserError } from './errors.js';
import { asUserError, readWholeText, systemProblem } from './files.js';
import { sha256Of } from './input-file.js';
import { isMap } from './is-map.js';

/**
 * Records that the program reads back carry a checksum, each kind in its way: a JSON file as its last member
 * (`sealJson`), a line of a log as its last member or item (`sealLine`), a row of numbers behind it (`sealRow`). Those of
 * earlier versions have none. Whoever finds one damaged refuses it by name, or says so (`tellDamaged`) and makes it again.
 */

/** A record that is there but is not what was written. Its message is the finding: `is not valid JSON`. */
export class DamagedRecord extends Error {}

type JsonMap = Readonly<Record<string, unknown>>;

/**
 * Reads a record; undefined where there is none.
 *
 * @throws DamagedRecord where something else is in its place, and UserError where it cannot be read
 */
export async function readRecord(path: string): Promise<string | undefined> {
  return readWholeText(path).catch((error: unknown) => {
    noRecord(asUserError(error, path));
    return undefined;
  });
}

/** Swallows the error of a file that is not there. @throws DamagedRecord for one of what is no file, or the error */
export function noRecord(error: unknown): undefined {
  const reason = error instanceof UserError ? error.cause : error;
  if (isAbsent(reason)) return undefined;
  if ((reason as NodeJS.ErrnoException | undefined)?.code === 'EISDIR')
    throw new DamagedRecord('is a folder');
  throw error;
}

/** A JSON file as text, with the SHA-256 of what it says as its last member. */
export function sealJson(content: object, space = 1): string {
  return `${JSON.stringify({ ...content, sha256: sha256OfJson(content) }, undefined, space)}\n`;
}

/**
 * Content of a sealed file, without its checksum.
 *
 * @param mayLack true where files of earlier versions have no checksum
 * @throws DamagedRecord
 */
export function unsealJson(text: string, mayLack = true): JsonMap {
  let sealed: unknown;
  try {
    sealed = JSON.parse(text);
  } catch {
    throw new DamagedRecord(text === '' ? 'is empty' : 'is not valid JSON');
  }
  if (!isMap(sealed)) throw new DamagedRecord('is not of the expected form');
  const { sha256, ...content } = sealed;
  if (sha256 === undefined ? !mayLack : sha256 !== sha256OfJson(content))
    throw new DamagedRecord('is not what was written');
  return content;
}

const sha256OfJson = (content: object): string => sha256Of(Buffer.from(JSON.stringify(content)));

/** A map or list as one line, with the CRC-32 of its text as its last member or item; without a line break. */
export function sealLine(content: object): string {
  const json = JSON.stringify(content);
  return `${json.slice(0, -1)},${json.endsWith('}') ? '"crc32":' : ''}"${checksumOf(json)}"${json.at(-1)!}`;
}

/** Content of a sealed line. @throws DamagedRecord */
export function unsealLine(line: string): unknown {
  const [, body, crc, end] = /^(.*),(?:"crc32":)?"([0-9a-f]{8})"([\]}])$/s.exec(line) ?? [];
  if (body === undefined || checksumOf(body + end!) !== crc)
    throw new DamagedRecord('is not what was written');
  return JSON.parse(body + end!);
}

/** True for a line that a process may have been killed while it wrote: only the last of a log is. */
export const isCutOff = (line: string): boolean => !/[\]}]$/.test(line);

/** Content of a line that may be of an earlier version, and then has no checksum. @throws DamagedRecord */
export function unsealAnyLine(line: string): unknown {
  if (/"[0-9a-f]{8}"[\]}]$/.test(line)) return unsealLine(line);
  try {
    return JSON.parse(line);
  } catch {
    throw new DamagedRecord('is not valid JSON');
  }
}

const checksumOf = (text: string): string => crc32(text).toString(16).padStart(8, '0');

/** Bytes of the checksum behind a row. */
export const rowSealBytes = 4;

/** A row of bytes with its checksum behind it, which also tells it from the same bytes under another number. */
export function sealRow(row: Uint8Array, number: number): Buffer {
  const seal = Buffer.alloc(rowSealBytes);
  seal.writeUInt32LE(crc32(row, number >>> 0));
  return Buffer.concat([row, seal]);
}

/** The bytes of a sealed row; undefined where they are damaged. */
export function unsealRow(sealed: Uint8Array, number: number): Uint8Array | undefined {
  const at = sealed.byteLength - rowSealBytes;
  if (at < 0) return undefined;
  const row = sealed.subarray(0, at);
  const seal = new DataView(sealed.buffer, sealed.byteOffset + at).getUint32(0, true);
  return crc32(row, number >>> 0) === seal ? row : undefined;
}

/** Sentence of a damaged record, as `tellDamaged` says it. */
export function damageSentence(...[path, found, consequence]: Parameters<TellDamaged>): string {
  const reason = systemProblem(found)?.found ?? (found instanceof Error ? found.message : String(found));
  return `${path} is damaged (${reason}): ${consequence}.`;
}

export type TellDamaged = typeof tellDamaged;

type Listener = (message: string) => void;

const listeners: { readonly listen: Listener; readonly told: Set<string> }[] = [];

/** Tells of records that are found damaged from now on, each once; only whoever asked last is told. Returns what ends it. */
export function onDamaged(listen: Listener): () => void {
  const listener = { listen, told: new Set<string>() };
  listeners.push(listener);
  return () => {
    listeners.splice(listeners.indexOf(listener), 1);
  };
}

/**
 * Says that a record is damaged, where the program goes on without it.
 *
 * @param found what is wrong: a sentence without a subject, or the error that says so
 * @param consequence what is done in its place, as a clause: `it is measured again`
 */
export function tellDamaged(path: string, found: unknown, consequence: string): void {
  const listener = listeners.at(-1);
  if (listener?.told.has(path) === true) return;
  listener?.told.add(path);
  const message = damageSentence(path, found, consequence);
  if (listener) listener.listen(message);
  else process.emitWarning(message, 'DamagedRecord');
}
