/**
 * Writes the TypeScript types of src/generated/ from schemas/, as configurations are after defaults:
 * keys with a default, and keys that a preset fills, are always there. And the schema that editors take, the documentation
 * of every key, docs/reference/, and what docs/caching.md has between its markers.
 *
 *   npm run generate           writes them
 *   npm run check:generated    fails when they are not what the schemas give
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';
import { editorSchema } from '../src/runner/schema/editor.ts';
import { readSchema, stageKinds, stageSchemas } from '../src/runner/schema/schema.ts';
import { stageRegistry } from '../src/stages/registry.ts';
import { integratorNames, stepFacts } from '../src/transport/integrators.ts';
import { keysWithoutEffect, reference } from './reference.mjs';

const options = {
  bannerComment: '// Generated from schemas/ by `npm run generate`. Do not edit.',
  additionalProperties: false,
  ignoreMinAndMaxItems: false,
  declareExternallyReferenced: true,
  style: { printWidth: 110, singleQuote: true },
};

/** The schema of what remains after defaults: `uses` left out, keys with a default or a preset required. */
function resolved(schema) {
  if (Array.isArray(schema)) return schema.map(resolved);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(
    Object.entries(schema)
      .filter(
        ([key]) => !['$schema', 'default', 'examples', 'presets', 'exactlyOneOf', 'allOf'].includes(key),
      )
      .map(([key, value]) => [key, key === 'properties' ? resolvedProperties(value) : resolved(value)]),
  );
  if (Array.isArray(copy.items)) return copy;
  delete copy.minItems;
  delete copy.maxItems;
  if (copy.properties === undefined) return copy;
  const filled = Object.values(schema.properties).flatMap((property) =>
    Object.values(property.presets ?? {}).flatMap(Object.keys),
  );
  const defaulted = Object.keys(schema.properties).filter((key) => 'default' in schema.properties[key]);
  copy.required = [...new Set([...(schema.required ?? []), ...defaulted, ...filled])].filter(
    (key) => key !== 'uses',
  );
  return copy;
}

function resolvedProperties(properties) {
  const entries = Object.entries(properties).filter(([key]) => key !== 'uses');
  return Object.fromEntries(
    entries.map(([key, schema]) => {
      const { unit } = schema;
      const value = resolved(schema);
      return [
        key,
        unit === undefined ? value : { ...value, description: `${schema.description} Unit: ${unit}.` },
      ];
    }),
  );
}

/** A stage's `seed` and `runtime` are no part of its configuration: they are kept beside it. */
function withoutOwn({ properties, ...schema }) {
  const configuration = Object.entries(properties).filter(([key]) => !['seed', 'runtime'].includes(key));
  return { ...schema, properties: Object.fromEntries(configuration) };
}

async function generate(pipeline) {
  const stages = stageSchemas(pipeline);
  const files = new Map();
  for (const { schema } of stages)
    files.set(fileName(schema.title), await compile(resolved(withoutOwn(schema)), schema.title, options));
  files.set('runtime.ts', await compile(resolved(pipeline.properties.runtime), 'RuntimeConfig', options));
  files.set('sweep.ts', await compile(resolved(pipeline.properties.sweep), 'SweepConfig', options));
  files.set('index.ts', index(stages, files));
  return files;
}

/** `PretrainedAutoencoderConfig` is in `pretrained-autoencoder.ts`. */
const fileName = (title) =>
  `${title
    .replace(/Config$/, '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, '-')
    .toLowerCase()}.ts`;

/** One door to all types; a definition that several schemas share is taken from the first. */
function index(stages, files) {
  const seen = new Set();
  const reexports = [...files].map(([file, text]) => {
    const names = [...text.matchAll(/^export (?:interface|type) (\w+)/gm)].map((match) => match[1]);
    const fresh = names.filter((name) => !seen.has(name));
    for (const name of fresh) seen.add(name);
    return `export type { ${fresh.join(', ')} } from './${file.replace('.ts', '.js')}';`;
  });
  return [
    options.bannerComment,
    '',
    ...stages.map(
      ({ schema: { title } }) =>
        `import type { ${title} } from './${fileName(title).replace('.ts', '.js')}';`,
    ),
    '',
    ...reexports,
    '',
    '/** The configuration of each kind of stage, with defaults applied. */',
    'export interface StageConfigs {',
    ...[...new Set(stages.map(({ kind }) => kind))].map((kind) => {
      const titles = stages.filter((stage) => stage.kind === kind).map(({ schema }) => schema.title);
      return `  ${kind}: ${titles.join(' | ')};`;
    }),
    '}',
    '',
  ].join('\n');
}

/** The schema of `sample` with the integrators that the table has, each with its evaluations of the model in a step. */
function withIntegrators(text) {
  const listed = (kind) =>
    integratorNames(kind)
      .map((method) => [method, stepFacts({ kind, method })])
      .map(([method, { evaluations, isAdaptive }]) =>
        isAdaptive ? `\`${method}\`, which chooses its own steps` : `\`${method}\` (${evaluations})`,
      )
      .join(', ');
  const description = `Integrator, with its evaluations of the model per step. The SDE takes ${listed('sde')}; the ODE ${listed('ode')}. Default: \`eulerMaruyama\` for the SDE, \`heun\` for the ODE.`;
  const names = [...new Set([...integratorNames('sde'), ...integratorNames('ode')])];
  return text
    .replace(/("method": \{\s*"description": )"[^"]*"/, (_, key) => key + JSON.stringify(description))
    .replace(/("method": \{[^}]*?"enum": )\[[^\]]*\]/, `$1${JSON.stringify(names)}`);
}

/** The schema of pipelines with the kinds that the registry has; one that is new takes the schema of its name. */
function withKinds(text) {
  const { names } = stageRegistry;
  const kind = text.replace(
    /("description": "Kind of the stage\.",\s*"type": "string",\s*"enum": )\[[^\]]*\]/,
    `$1${JSON.stringify(names)}`,
  );
  const entries = /("allOf": \[)([\s\S]*?"then": \{ "\$ref": "stages\/[^"]*" \}\s*\})(\s*\])/;
  return kind.replace(entries, (_, before, list, after) => {
    const named = JSON.parse(`[${list}]`);
    const known = new Set(named.map((entry) => entry.if.properties.uses.const));
    const fresh = names
      .filter((name) => !known.has(name))
      .map(
        (name) =>
          `, { "if": { "required": ["uses"], "properties": { "uses": { "const": "${name}" } } },
        "then": { "$ref": "stages/${name}.schema.json" } }`,
      );
    const left = named.filter((entry) => names.includes(entry.if.properties.uses.const));
    const kept =
      left.length === named.length ? list : left.map((entry) => JSON.stringify(entry, undefined, 2)).join();
    return before + kept + fresh.join('') + after;
  });
}

/** The keys that name stages, each with the kinds of stage that it takes. */
function stageKeys(pipeline) {
  const keys = {};
  const visit = (node, key) => {
    if (typeof node !== 'object' || node === null) return;
    const { stageRef, properties = {}, ...parts } = node;
    if (stageRef !== undefined)
      keys[key] = [
        ...new Set([...(keys[key] ?? []), ...(stageRef === 'any' ? stageKinds(pipeline) : stageRef)]),
      ];
    for (const [name, property] of Object.entries(properties)) visit(property, name);
    for (const part of Object.values(parts)) visit(part, key);
  };
  visit(pipeline, '');
  return keys;
}

const check = process.argv.includes('--check');
let wrong = 0;
const listed = { 'stages/sample.schema.json': withIntegrators, 'pipeline.schema.json': withKinds };
for (const [name, list] of Object.entries(listed)) {
  const file = new URL(name, import.meta.url);
  const text = await readFile(file, 'utf8');
  const updated = await format(list(text), { ...(await resolveConfig(file)), filepath: file.pathname });
  if (updated === text) continue;
  wrong++;
  if (check) console.error(`schemas/${name} lists others than there are: run \`npm run generate\`.`);
  else await writeFile(file, updated);
}
const pipeline = readSchema('pipeline.schema.json');
const caching = new URL('../docs/caching.md', import.meta.url);
const page = await readFile(caching, 'utf8');
const withKeys = page.replace(
  /(<!-- generated: [^>]* -->\n)[\s\S]*?(?=<!-- end -->)/,
  `$1\n${keysWithoutEffect(pipeline)}\n\n`,
);
if (withKeys !== page) {
  wrong++;
  if (check) console.error('docs/caching.md lists other keys than schemas/ gives.');
  else await writeFile(caching, withKeys);
}
const forEditors = {
  'schemas/editor.schema.json': `${JSON.stringify(editorSchema(pipeline))}\n`,
  'editors/vscode/src/stage-keys.json': `${JSON.stringify(stageKeys(pipeline))}\n`,
};
for (const [name, text] of Object.entries(forEditors)) {
  const file = new URL(`../${name}`, import.meta.url);
  if ((await readFile(file, 'utf8').catch(() => '')) === text) continue;
  wrong++;
  if (check) console.error(`${name} is not what schemas/ gives.`);
  else await writeFile(file, text);
}
const generated = { 'src/generated': await generate(pipeline), 'docs/reference': reference(pipeline) };
for (const [name, files] of Object.entries(generated)) {
  const folder = new URL(`../${name}/`, import.meta.url);
  await mkdir(folder, { recursive: true });
  const current = (file) => readFile(new URL(file, folder), 'utf8').catch(() => undefined);
  for (const [file, text] of files) {
    if ((await current(file)) === text) continue;
    wrong++;
    if (check) console.error(`${name}/${file} is not what schemas/ gives.`);
    else await writeFile(new URL(file, folder), text);
  }
  for (const file of (await readdir(folder)).filter((file) => !files.has(file))) {
    wrong++;
    if (check) console.error(`${name}/${file} belongs to no schema: delete it.`);
    else await rm(new URL(file, folder));
  }
}
if (check && wrong > 0) {
  console.error('Run: npm run generate');
  process.exitCode = 1;
}
