/**
 * Documentation from the schemas: docs/reference/ describes every key of pipeline files, with a page for each kind of stage;
 * docs/caching.md lists the keys that change no output.
 */
import { Document } from 'yaml';
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
      kinds.map((kind) => [`${kind}.md`, [`# \`uses: ${kind}\``, ...partsOf(kind, stages)]]),
    ),
  };
  return new Map(
    Object.entries(pages).map(([name, parts]) => [name, `${[banner, ...parts].join('\n\n')}\n`]),
  );
}

const banner = '<!-- Generated from schemas/ by `npm run generate`. Do not edit. -->';

const section = (title, schema) => [`## ${title}`, schema.description, table(schema)];

function partsOf(kind, stages) {
  const schemas = stages.filter((stage) => stage.kind === kind).map(({ schema }) => schema);
  return schemas.flatMap((schema) => [
    ...(schemas.length > 1 ? [`## ${headingOf(schema)}`] : []),
    schema.description,
    table(schema),
    'A complete file:',
    completeFile(schema, stages),
  ]);
}

/** A kind of two schemas is told apart by the keys that they demand. */
const headingOf = ({ required = [] }) =>
  `With ${required
    .filter((key) => key !== 'uses')
    .map((key) => `\`${key}\``)
    .join(', ')}`;

/** Ids of stages in examples; others are called by their kinds. */
const ids = { encode: 'latents', latents: 'ready', pretrained: 'model' };
const idOf = ({ uses }) => ids[uses] ?? uses;

/** A valid pipeline file with the example of a stage, after those of the stages that it names. */
function completeFile({ examples: [stage] }, stages) {
  const examples = new Map(
    stages.toReversed().map(({ schema }) => [idOf(schema.examples[0]), schema.examples[0]]),
  );
  const needed = new Map();
  const add = (added) => {
    for (const value of Object.values(added).flat())
      if (examples.has(value) && value !== idOf(added) && !needed.has(value)) add(examples.get(value));
    needed.set(idOf(added), added);
  };
  add(stage);
  const document = new Document({ name: 'example', stages: Object.fromEntries(needed) });
  for (const { value } of document.get('stages').items) value.flow = true;
  return `\`\`\`yaml\n${document.toString({ lineWidth: 0 }).replace(/\[ (.*?) \]/g, '[$1]')}\`\`\``;
}

/** The keys that change no output, as a table: those of the file's `runtime`, then of each kind of stage. */
export function keysWithoutEffect(pipeline) {
  const { runtime } = ofWholePipeline(pipeline).properties;
  const rows = new Map([['`runtime` of the file', keysOf(runtime, '')]]);
  for (const { kind, schema } of stageSchemas(pipeline))
    rows.set(`\`${kind}\``, [...(rows.get(`\`${kind}\``) ?? []), ...keysOf(schema, '')]);
  const listed = [...rows].map(([where, keys]) => [
    where,
    [
      ...new Set(
        [...keys].filter(({ property }) => property.affectsOutput === false).map(({ key }) => `\`${key}\``),
      ),
    ],
  ]);
  const lines = listed
    .filter(([, keys]) => keys.length > 0)
    .map(([where, keys]) => `| ${where} | ${keys.join(', ')} |`);
  return ['| Where | Keys that change no output |', '|---|---|', ...lines].join('\n');
}

function table(schema) {
  const rows = [...keysOf(schema, '')].map(({ key, property, required }) =>
    [
      `\`${key}\``,
      typeOf(property),
      required ? '**required**' : valueOf(property.default ?? property.absentMeans),
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
    schema.affectsOutput === false && '_Changes no output._',
  ];
  return bounds.filter((rule) => rule !== false);
}

const valueOf = (value) => (value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('`', "'")}\``);
