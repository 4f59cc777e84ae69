import { pipelineRules } from '../../src/stages/registry.js';
import { createRequire } from 'node:module';
import { runInThisContext } from 'node:vm';
import { expect, it } from 'vitest';
import { diagnostic } from '../../src/runner/diagnostics.js';
import { explain } from '../../src/runner/explain/explain.js';
import { resolvePipeline } from '../../src/runner/resolve.js';
import { validatorProgram } from '../../src/runner/schema/compile-validator.js';
import { pipelineSchema, type SchemaError, type Validator } from '../../src/runner/schema/schema.js';
import { schemaErrors } from '../../src/runner/schema/validator.js';
import { parseYaml } from '../../src/runner/yaml/parse.js';
import { sourceText } from '../../src/runner/yaml/text.js';
import { type MapTree, plain, type Tree } from '../../src/runner/yaml/tree.js';
import { pipelineText } from './pipelines.js';

const parsed = (text: string): Tree => parseYaml(sourceText('/p.yaml', text)).tree!;

const whole = parsed(
  pipelineText(
    {
      images:
        '{ uses: images, path: p, size: 32, labels: { file: f, image: [a, b], label: l }, classes: [a, b], background: "#123456" }',
      train:
        '{ uses: train, latents: latents, steps: 10, betas: [0, 0.5], timesteps: { kind: logitNormal, mean: 1 }, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: [{ blocks: [0, 1], mediators: 4 }] } }',
      sample:
        '{ uses: sample, model: train, autoencoder: autoencoder, count: 4, classes: [a], sampler: { kind: ode }, guidanceScale: 2 }',
      latents: '{ uses: encode, images: images, autoencoder: autoencoder, flips: { classes: [a] } }',
    },
    'seed: 1\nruntime: { workers: 2 }\n',
  ),
);

const strange = [
  'null',
  '0',
  '-1.5',
  '1e99',
  '.nan',
  'true',
  'word',
  '""',
  '[]',
  '[[], {}, 1]',
  '{}',
  '{ a: { b: 1 } }',
];

/** Keys that are known, though not everywhere, and one that is nowhere. */
const misplaced = parsed(
  '{ mediators: 4, size: 8, integrator: heun, workers: 2, kind: ode, nowhere: 1 }',
) as MapTree;

/** Every tree that differs from this one in one value: replaced, left out, or added. */
function* variants(tree: Tree): Generator<Tree> {
  for (const text of strange) yield parsed(text);
  if (tree.kind === 'list') {
    for (const [i, item] of tree.items.entries()) {
      for (const variant of variants(item)) yield { ...tree, items: tree.items.with(i, variant) };
    }
  } else if (tree.kind === 'map') {
    for (const [key, entry] of misplaced.entries) {
      if (!tree.entries.has(key)) yield { ...tree, entries: new Map([...tree.entries, [key, entry]]) };
    }
    for (const [key, entry] of tree.entries) {
      yield { ...tree, entries: new Map([...tree.entries].filter(([other]) => other !== key)) };
      for (const value of variants(entry.value)) {
        yield { ...tree, entries: new Map([...tree.entries, [key, { ...entry, value }]]) };
      }
    }
  }
}

it('finds nothing wrong with the pipeline that is varied', () => {
  expect(resolvePipeline(whole, pipelineRules).problems).toEqual([]);
});

it('either accepts what stands in place of any value, or says what is wrong in words', () => {
  const maps = [...variants(whole)].filter((tree): tree is MapTree => tree.kind === 'map');
  let refused = 0;
  const unclear: string[] = [];
  for (const tree of maps) {
    const found = resolvePipeline(tree, pipelineRules).problems.map(diagnostic);
    if (found.length > 0) refused += 1;
    for (const { message, remedy = '' } of found) {
      const isClear = message.endsWith('.') && !/undefined|\[object|Item NaN/.test(message + remedy);
      if (!isClear) unclear.push(`${message} ${remedy} ${JSON.stringify(plain(tree))}`);
    }
  }
  expect(unclear).toEqual([]);
  expect(maps.length).toBeGreaterThan(800);
  expect(refused / maps.length).toBeGreaterThan(0.7);
});

it('is checked alike by the program that the build writes', () => {
  const module = { exports: undefined as unknown as Validator };
  const load = runInThisContext(
    `(module, exports, require) => { ${validatorProgram(pipelineSchema())} }`,
  ) as (...args: unknown[]) => void;
  load(module, {}, createRequire(import.meta.url));
  const isValid = module.exports;
  let refused = 0;
  for (const tree of variants(whole)) {
    const value = plain(tree);
    const errors = isValid(value) ? [] : isValid.errors!;
    const told = (found: readonly SchemaError[]) =>
      found.flatMap((error) => explain(error, tree, pipelineSchema()));
    expect(told(errors)).toEqual(told(schemaErrors(value)));
    if (errors.length > 0) refused += 1;
  }
  expect(refused).toBeGreaterThan(500);
});
