import { basename, posix } from 'node:path';
import { UserError } from '../../../base/errors.js';
import { isUnseen } from '../../../base/file-names.js';
import type { InputFile } from '../../../base/input-file.js';
import { badContainer, type ContainedImage, type ImageContainer } from '../container.js';
import { SampleLabels } from '../sample-labels.js';
import { isImageName, passOver } from '../formats.js';

/**
 * Tar archives, those within them, and the shards of WebDataset: what has the same name up to the first dot belongs to an
 * image, `.cls` and `.json` hold its label. An index of headers gives random access; nothing is unpacked.
 */
export const container: ImageContainer = {
  name: 'tar',
  fileName: /\.(tar(\.(gz|bz2|xz|zst))?|tgz|tbz2?|txz)$/i,
  list: async (file, { withoutClasses = false }) => {
    await refusePacked(file);
    const listing: Listing = { images: [], passedOver: new Map(), labels: new SampleLabels(!withoutClasses) };
    await listMembers(file, { start: 0, end: file.bytes, prefix: '', depth: 0 }, listing);
    const images = withLinked(listing);
    const { passedOver, labels } = listing;
    return { images, passedOver, oddities: labels.oddities, labelTypes: labels.types };
  },
  read: (file, [position, length]) => readPart(file, position!, length!),
};

const packings = [
  ['gzip', 'gunzip', '1f8b'],
  ['bzip2', 'bunzip2', '425a68'],
  ['xz', 'unxz', 'fd377a585a00'],
  ['zstd', 'unzstd', '28b52ffd'],
] as const;

async function refusePacked(file: InputFile): Promise<void> {
  const beginning = (await readPart(file, 0, Math.min(8, file.bytes))).toString('hex');
  const found = packings.find(([, , magic]) => beginning.startsWith(magic));
  if (found === undefined) return;
  const [packing, unpack] = found;
  throw new UserError({
    code: 'container-packed',
    message: `${file.path}: the archive is packed with ${packing}, of which no single image can be read.`,
    remedy: `Unpack it: \`${unpack} ${basename(file.path)}\` gives a .tar, which is read as it is.`,
  });
}

interface Listing {
  readonly images: Member[];
  readonly passedOver: Map<string, number>;
  readonly labels: SampleLabels;
}

/** An image, or a link that stands for another within the archive. */
type Member = ContainedImage | (Pick<ContainedImage, 'name' | 'className'> & { readonly target: string });

/** The part of a file that is an archive. */
interface Part {
  readonly start: number;
  readonly end: number;
  /** Before the names of its members. */
  readonly prefix: string;
  readonly depth: number;
}

const block = 512;
const mostDepth = 3;
/** Most bytes of names, attributes and labels, which tell of a member. */
const mostText = 2 ** 20;

/** A member of an archive: what its headers say, and where its content lies. */
interface Entry {
  readonly type: string;
  readonly name: string;
  /** Name of the member that it is a link to, if it is one. */
  readonly link: string;
  readonly data: number;
  readonly size: number;
}

/**
 * Yields the members of an archive in their order; returns true where it has the mark of its end.
 *
 * @throws UserError where it is no archive, or cut off
 */
async function* entriesOf(
  { path }: InputFile,
  window: Window,
  { start, end }: Part,
): AsyncGenerator<Entry, boolean> {
  let next: { name?: string; size?: number; link?: string } = {};
  let position = start;
  let ended = false;
  while (position + block <= end) {
    const header = await window.read(position, block);
    const here = `at byte ${position}`;
    if (header.every((byte) => byte === 0)) {
      ended = true;
      position += block;
      continue;
    }
    if (!hasChecksum(header))
      throw badContainer(path, `not a valid tar archive: there is no header of a member ${here}`);
    ended = false;
    const type = String.fromCharCode(header[156]!);
    const size = next.size ?? numberIn(header, 124, 12);
    const data = position + block;
    const after = data + Math.ceil(size / block) * block;
    if (!Number.isSafeInteger(size) || size < 0 || data + size > end)
      throw badContainer(
        path,
        `cut off, or damaged: the member ${here} has ${size} bytes, and ${end - data} are left`,
      );
    position = after;
    if ('xgLK'.includes(type)) {
      if (size > mostText)
        throw badContainer(path, `not a valid tar archive: the name of a member ${here} has ${size} bytes`);
      const text = await window.read(data, size);
      if (type === 'x') next = { ...next, ...paxFields(text) };
      else if (type === 'L') next.name = textIn(text, 0, size);
      else if (type === 'K') next.link = textIn(text, 0, size);
      continue;
    }
    const name = nameOf(next.name ?? nameIn(header));
    if (type === 'S')
      throw badContainer(path, `the member ${name} is stored as a sparse file, which is not read`);
    yield { type, name, link: next.link ?? textIn(header, 157, 100), data, size };
    next = {};
  }
  if (!ended && position < end)
    throw badContainer(
      path,
      `cut off, or not a tar archive: ${end - position} bytes are left over at its end`,
    );
  return ended;
}

async function listMembers(file: InputFile, part: Part, listing: Listing): Promise<void> {
  const window = new Window(file);
  let group: Group | undefined;
  const entries = entriesOf(file, window, part);
  let entry = await entries.next();
  for (; entry.done !== true; entry = await entries.next()) {
    const { type, name, link, data, size } = entry.value;
    const isLink = type === '1' && isImageName(name);
    const isFile = type === '0' || type === '\0' || type === '7' || isLink;
    if (!isFile || name === '') {
      if (type === '2') passOver(listing.passedOver, name);
      continue;
    }
    if (/\.tar$/i.test(name) && !isUnseen(name) && part.depth < mostDepth) {
      const inner = {
        start: data,
        end: data + size,
        prefix: `${part.prefix}${name.slice(0, -4)}/`,
        depth: part.depth + 1,
      };
      addGroup(group, part, listing);
      group = undefined;
      await listMembers(file, inner, listing);
      continue;
    }
    const key = keyOf(name);
    if (group?.key !== key) {
      addGroup(group, part, listing);
      group = { key, images: [] };
    }
    const ending = name.slice(key.length + 1).toLowerCase();
    const path = part.prefix + name;
    if (isLink) group.images.push({ name: path, target: part.prefix + nameOf(link) });
    else if (isImageName(name)) group.images.push({ name: path, at: [data, size] });
    else if (ending === 'cls' && size <= mostText)
      group.cls = textIn(await window.read(data, size), 0, size).trim();
    else if (ending === 'json' && size <= mostText)
      group.json = listing.labels.inJson(await window.read(data, size), part.prefix + key);
    else passOver(listing.passedOver, name);
  }
  addGroup(group, part, listing);
  const hasEnd = entry.value;
  if (!hasEnd)
    listing.labels.tell('Archives without the mark of their end, which may be cut off', part.prefix);
}

/** Members that belong together by name: an image and its label. */
interface Group {
  readonly key: string;
  readonly images: Member[];
  cls?: string;
  json?: ReturnType<SampleLabels['inJson']>;
}

function addGroup(group: Group | undefined, { prefix }: Part, listing: Listing): void {
  if (group === undefined) return;
  const { key, images, cls, json = [] } = group;
  const { labels } = listing;
  const label = [...(cls === undefined ? [] : [['.cls', cls] as const]), ...json];
  if (label.length > 0 && images.length === 0)
    labels.tell('Labels without an image of their name next to them', prefix + key);
  if (label.length > 0 && images.length > 1)
    labels.tell(
      'Samples of several images, each of which counts as an image',
      images.map(({ name }) => name).join(' and '),
    );
  const className = images.length === 0 ? undefined : labels.classOf(label, prefix + key);
  for (const image of images) listing.images.push(className === undefined ? image : { ...image, className });
}

/** A member's name up to the first dot after its last folder. */
function keyOf(name: string): string {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  return dot < 0 ? name : name.slice(0, dot);
}

/** All images, links last. */
function withLinked({ images, labels }: Listing): readonly ContainedImage[] {
  const isImage = (member: Member): member is ContainedImage => 'at' in member;
  const own = images.filter(isImage);
  if (own.length === images.length) return own;
  const byName = new Map(own.map((image) => [image.name, image]));
  const linked = images.flatMap((member): readonly ContainedImage[] => {
    if (isImage(member)) return [];
    const { target, ...link } = member;
    const image = byName.get(target);
    if (image === undefined) labels.tell('Links to images that are not in the file', link.name);
    return image ? [{ ...link, at: image.at }] : [];
  });
  return [...own, ...linked];
}

/** Below the archive's top, whatever the name says. */
function nameOf(name: string): string {
  return posix.normalize(`/${name}`).slice(1);
}

function nameIn(header: Buffer): string {
  const prefix =
    header.toString('latin1', 257, 262) === 'ustar' && header[263] === 0x30 ? textIn(header, 345, 155) : '';
  const name = textIn(header, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function textIn(bytes: Buffer, start: number, length: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('utf8', start, end < 0 ? start + length : Math.min(end, start + length));
}

/** Octal digits, or, where the first bit is set, the number itself. */
function numberIn(header: Buffer, start: number, length: number): number {
  if ((header[start]! & 0x80) === 0) {
    const text = textIn(header, start, length).trim();
    return text === '' ? 0 : /^[0-7]+$/.test(text) ? parseInt(text, 8) : NaN;
  }
  let value = header[start]! & 0x7f;
  for (let i = start + 1; i < start + length; i++) value = value * 256 + header[i]!;
  return value;
}

function hasChecksum(header: Buffer): boolean {
  let sum = 8 * 0x20;
  for (let i = 0; i < block; i++) if (i < 148 || i >= 156) sum += header[i]!;
  return sum === numberIn(header, 148, 8);
}

/** Name, size and target of the links that a header of POSIX gives to the next member. */
function paxFields(text: Buffer): { name?: string; size?: number; link?: string } {
  const fields: { name?: string; size?: number; link?: string } = {};
  for (let at = 0; at < text.length;) {
    const space = text.indexOf(0x20, at);
    const length = Number(text.toString('latin1', at, space));
    if (space < 0 || !Number.isInteger(length) || length <= space - at) break;
    const record = text.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    const key = record.slice(0, equals);
    if (key === 'path') fields.name = value;
    if (key === 'linkpath') fields.link = value;
    if (key === 'size') fields.size = Number(value);
    at += length;
  }
  return fields;
}

/** Reads small parts of a file that lie one after the other, many of them at once. */
class Window {
  private start = 0;
  private bytes: Buffer = Buffer.alloc(0);

  constructor(private readonly file: InputFile) {}

  async read(position: number, length: number): Promise<Buffer> {
    const from = position - this.start;
    if (from >= 0 && from + length <= this.bytes.length) return this.bytes.subarray(from, from + length);
    const wanted = Math.min(Math.max(length, windowBytes), this.file.bytes - position);
    this.bytes = await readPart(this.file, position, wanted);
    this.start = position;
    return this.bytes.subarray(0, length);
  }
}

const windowBytes = 2 ** 14;

async function readPart(file: InputFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  await file.read(bytes, position);
  return bytes;
}
