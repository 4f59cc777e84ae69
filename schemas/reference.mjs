/** Documentation of every key of pipeline files, from the schemas: docs/reference/, a page for each kind of stage. */
import { ofWholePipeline, stageSchemas } from '../src/runner/schema/schema.ts';

const words = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'true, false',
  object: 'map',
  array: 'list',
  null: 'nothing',
};

/** The pages by file name. */
export function reference(pipeline) {
  const whole = ofWholePipeline(pipeline);
  const stages = stageSchemas(pipeline);
  const kinds = [...new Set(stages.map(({ kind }) => kind))];
  const { runtime, sweep, ...top } = whole.properties;
  const pages = {
    'pipeline.md': [
      '# The pipeline file',
      pipeline.description,
      table({ ...whole, properties: top }),
      ...section('`runtime`', runtime),
      ...section('`sweep`', sweep),
      '## Stages',
      kinds.map((kind) => `- [\`${kind}\`](${kind}.md)`).join('\n'),
    ],
    ...Object.fromEntries(
      kinds.map((kind) => [
        `${kind}.md`,
        [`# \`uses: ${kind}\``, ...stages.filter((stage) => stage.kind === kind).flatMap(partOf)],
      ]),
    ),
  };
  return new Map(
    Object.entries(pages).map(([name, parts]) => [name, `${[banner, ...parts].join('\n\n')}\n`]),
  );
}

const banner = '<!-- Generated from schemas/ by `npm run generate`. Do not edit. -->';

const section = (title, schema) => [`## ${title}`, schema.description, table(schema)];

function partOf({ kind, schema }, i, all) {
  const heading = all.length > 1 ? [`## ${headingOf(kind, schema)}`] : [];
  return [...heading, schema.description, table(schema), `For example:`, example(schema, kind)];
}

/** A kind of two schemas is told apart by the keys that they demand. */
const headingOf = (kind, { required = [] }) =>
  `With ${required
    .filter((key) => key !== 'uses')
    .map((key) => `\`${key}\``)
    .join(', ')}`;

/** A stage of this kind with the first example of each key that is demanded. */
function example({ properties, required = [] }, kind) {
  const keys = required.filter((key) => key !== 'uses');
  const lines = keys.map((key) => `    ${key}: ${JSON.stringify(properties[key].examples[0])}`);
  return ['```yaml', 'stages:', `  ${kind}:`, `    uses: ${kind}`, ...lines, '```'].join('\n');
}

function table(schema) {
  const rows = [...keysOf(schema, '')].map(({ key, property, required }) =>
    [
      `\`${key}\``,
      typeOf(property),
      required ? '**required**' : valueOf(property.default),
      property.unit ?? '',
      [property.description, ...rules(property)].join(' '),
      (property.examples ?? []).slice(0, 2).map(valueOf).join('<br>'),
    ].map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')),
  );
  const head = ['Key', 'Type', 'Default', 'Unit', 'Meaning', 'Examples'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Every key of a map, those of maps in it behind it, `[]` standing for the items of a list. */
function* keysOf(schema, prefix) {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const key = prefix + name;
    if (key === 'uses') continue;
    yield { key, property, required: schema.required?.includes(name) === true };
    if (key !== 'stages') yield* within(property, key);
  }
}

function* within(property, key) {
  yield* keysOf(property, `${key}.`);
  for (const alternative of property.anyOf ?? []) yield* within(alternative, key);
  for (const item of [property.items ?? []].flat()) yield* within(item, `${key}[]`);
}

function typeOf(schema) {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.const !== undefined) return valueOf(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(valueOf).join(', ');
  if (schema.stageRef !== undefined)
    return schema.stageRef === 'any' ? 'a stage' : `a stage: ${schema.stageRef.map(valueOf).join(', ')}`;
  const types = [schema.type ?? []].flat().map((type) => words[type]);
  const items =
    schema.items !== undefined && !Array.isArray(schema.items) ? ` of ${typeOf(schema.items)}` : '';
  return types.join(' or ') + items;
}

/** What the type does not say. */
function rules(schema) {
  const bounds = [
    schema.minimum !== undefined && `At least ${schema.minimum}.`,
    schema.exclusiveMinimum !== undefined && `Greater than ${schema.exclusiveMinimum}.`,
    schema.maximum !== undefined && `At most ${schema.maximum}.`,
    schema.exclusiveMaximum !== undefined && `Less than ${schema.exclusiveMaximum}.`,
    schema.perfectSquare === true && 'A square number.',
    schema.affectsOutput === false && '_Another value reuses outputs._',
  ];
  return bounds.filter((rule) => rule !== false);
}

const valueOf = (value) => (value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('`', "'")}\``);
