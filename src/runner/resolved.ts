import { relative } from 'node:path';
import { Document, isMap, isScalar, isSeq, type Node } from 'yaml';
import type { ValueSource } from './load.js';
import type { Origin, Pipeline } from './pipeline.js';
import { applicable, memberSchema, type Schema } from './schema/schema.js';
import { isOption } from './yaml/text.js';

/** A pipeline as a file would have it that leaves nothing out: no `extends`, every default and environment variable filled in. */
export function resolvedConfig({
  name,
  seed,
  runtime,
  sweep,
  stages,
}: Pipeline): Readonly<Record<string, unknown>> {
  return {
    name,
    seed,
    runtime,
    ...(sweep && { sweep }),
    stages: Object.fromEntries(
      Array.from(stages.values(), ({ id, kind, own, config }) => [id, { uses: kind, ...own, ...config }]),
    ),
  };
}

/** Place that a value of a resolved configuration comes from. */
type ValueOrigin =
  | ({ readonly type: 'written' } & ValueSource)
  /** Another value, such as the name of a model, stands for it. */
  | { readonly type: 'preset'; readonly of: string; readonly source: ValueSource | undefined }
  | { readonly type: 'default' };

/** The origin of every value that is not a map, by its dotted path. Lists have one, and so have their items. */
export function originsOf(
  config: unknown,
  sources: ReadonlyMap<string, ValueSource>,
  root: Schema,
): ReadonlyMap<string, ValueOrigin> {
  const origins = new Map<string, ValueOrigin>();
  const visit = (value: unknown, schema: Schema, path: string, inherited: ValueOrigin): void => {
    const source = sources.get(path);
    const origin: ValueOrigin = source ? { type: 'written', ...source } : inherited;
    const chosen = applicable(schema, value);
    const isList = Array.isArray(value);
    if (isList || typeof value !== 'object' || value === null) origins.set(path, origin);
    for (const [key, item] of Object.entries(isValues(value) || isList ? value : {})) {
      const at = path === '' ? key : `${path}.${key}`;
      const preset = isList ? undefined : presetOf(chosen, value as Values, key);
      const below: ValueOrigin = preset
        ? { ...preset, source: sources.get(path === '' ? preset.key : `${path}.${preset.key}`) }
        : origin;
      visit(item, memberSchema(chosen, key, isList) ?? {}, at, below);
    }
  };
  visit(config, root, '', { type: 'default' });
  return origins;
}

type Values = Readonly<Record<string, unknown>>;

const isValues = (value: unknown): value is Values => typeof value === 'object' && value !== null;

/** The key of a map, and its value, that stands for the value of another key. */
function presetOf(
  { properties = {} }: Schema,
  values: Values,
  key: string,
): { type: 'preset'; of: string; key: string } | undefined {
  for (const [name, { presets }] of Object.entries(properties)) {
    const of = String(values[name]);
    if (presets?.[of] && Object.hasOwn(presets[of], key)) return { type: 'preset', of, key: name };
  }
  return undefined;
}

/** A resolved configuration as YAML, with the origin of every value in a comment beside it. */
export function annotatedYaml(config: unknown, origins: ReadonlyMap<string, ValueOrigin>): string {
  const document = new Document(config, { aliasDuplicateObjects: false });
  if (document.contents) annotate(document.contents, '', origins);
  return align(document.toString({ lineWidth: 0 }).split('\n'));
}

/** An origin in a few words, paths relative to the current folder: `mine.yaml:7`, `--set`, `default`. */
function formatOrigin(origin: ValueOrigin): string {
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
  isOption(file) ? file : `${relative(process.cwd(), file)}:${line}`;

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
