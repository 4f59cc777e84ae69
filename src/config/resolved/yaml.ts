import { relative } from 'node:path';
import { Document, isMap, isScalar, isSeq, type Node } from 'yaml';
import type { Origin } from '../pipeline.js';
import { optionFile } from '../source/text.js';
import type { ValueOrigin } from './origins.js';

/** A resolved configuration as YAML, with the origin of every value in a comment beside it. */
export function annotatedYaml(config: unknown, origins: ReadonlyMap<string, ValueOrigin>): string {
  const document = new Document(config, { aliasDuplicateObjects: false });
  if (document.contents) annotate(document.contents, '', origins);
  return align(document.toString({ lineWidth: 0 }).split('\n'));
}

/** An origin in a few words, paths relative to the current folder: `mine.yaml:7`, `--set`, `default`. */
export function formatOrigin(origin: ValueOrigin): string {
  switch (origin.type) {
    case 'default':
      return 'default';
    case 'preset':
      return [origin.of, ...(origin.source ? [`(${place(origin.source)})`] : [])].join(' ');
    case 'written':
      return [place(origin), ...(origin.environment ?? []).map((name) => `$${name}`)].join(', ');
  }
}

const place = ({ file, line }: Origin): string =>
  file === optionFile ? optionFile : `${relative(process.cwd(), file)}:${line}`;

const mark = '\u0001';

function annotate(node: Node, path: string, origins: ReadonlyMap<string, ValueOrigin>): void {
  const below = (key: unknown): string => (path === '' ? String(key) : `${path}.${String(key)}`);
  if (isMap(node)) {
    for (const { key, value } of node.items)
      annotate(value as Node, below(isScalar(key) ? key.value : key), origins);
    if (node.items.length > 0) return;
  }
  if (isSeq(node)) {
    if (node.items.some((item) => !isScalar(item))) {
      for (const [i, item] of node.items.entries()) annotate(item as Node, below(i), origins);
      return;
    }
    node.flow = true;
  }
  const origin = origins.get(path);
  if (origin) node.comment = `${mark}${formatOrigin(origin)}`;
}

const widestAligned = 60;

/** Brings the comments to one column, as far as that is near. */
function align(lines: readonly string[]): string {
  const parted = lines.map((line) => line.split(` #${mark}`));
  const widths = parted.flatMap(([text, comment]) => (comment === undefined ? [] : [text!.length]));
  const column = Math.min(Math.max(0, ...widths), widestAligned);
  return parted
    .map(([text, comment]) => (comment === undefined ? text : `${text!.padEnd(column)}  # ${comment}`))
    .join('\n');
}
