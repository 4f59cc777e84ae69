import sharp from 'sharp';
import { asUserError } from '../base/files.js';
import { readInput } from '../base/input-file.js';

/** Markup that is safe to put in a page as it is. */
export class Html {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** Value that a template takes: text is escaped, markup is not, lists are joined, absent values leave nothing. */
export type Part = Html | string | number | undefined | false | readonly Part[];

/**
 * Markup from a template. Every value is escaped for element content and for quoted attributes;
 * attributes must be quoted, and no value may stand in a tag's or attribute's name, nor within `<script>` or `<style>`.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(String.raw({ raw: strings }, ...parts.map(render)));
}

/** Text as it is written between tags or in a quoted attribute. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function render(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return part.map(render).join('');
}

/** A picture that is part of the page itself. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** A `data:` URL. */
  readonly source: string;
}

/**
 * Reads a PNG file into the page. Up to `mostPixels` wide its bytes are taken as they are; wider ones are made smaller,
 * for a page should open quickly.
 *
 * @throws UserError for a file that cannot be read.
 */
export async function inlinePicture(path: string, mostPixels: number): Promise<Picture> {
  let file: Buffer;
  try {
    file = await readInput(path);
  } catch (error) {
    throw asUserError(error, path);
  }
  const { width, height } = await sharp(file).metadata();
  if (width <= mostPixels) return { width, height, source: dataUrl('png', file) };
  const { data, info } = await sharp(file)
    .resize({ width: mostPixels })
    .webp({ quality: 90 })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, source: dataUrl('webp', data) };
}

function dataUrl(format: string, bytes: Buffer): string {
  return `data:image/${format};base64,${bytes.toString('base64')}`;
}
