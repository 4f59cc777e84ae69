import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { integratorNames, stepFacts } from '../../src/transport/integrators.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const programs = ['src', 'tools']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  )
  .filter((path) => /\.(c?ts|mjs)$/.test(path) && !path.includes('generated'));

/** What a text puts between backticks outside of blocks of code. */
const quoted = (text: string): string[] =>
  Array.from(text.replace(/^```[^]*?^```/gm, '').matchAll(/`([^`\n]+)`/g), ([, words]) => words!);

it.each(['ARCHITECTURE.md', 'CONTRIBUTING.md'])('%s names files that exist', (file) => {
  const paths = quoted(read(file)).filter(
    (words) => /^(src|test|tools|schemas|docs|\.ci)\/[\w./-]*$/.test(words) && !/KIND|NAME/.test(words),
  );
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

it('ARCHITECTURE.md names functions and classes that the sources define', () => {
  const names = quoted(read('ARCHITECTURE.md'))
    .map((words) => words.replace(/\(.*\)$/, ''))
    .filter(
      (words) => /^[a-zA-Z]+(\.[a-z]\w*)?$/.test(words) && /[a-z][A-Z]|^[A-Z][a-z]|^\w+\.[a-z]/.test(words),
    );
  const sources = programs.map(read).join('\n');
  const isKnown = (name: string): boolean =>
    name.split('.').every((part) => new RegExp(`\\b${part}\\b`).test(sources));
  expect(names.length).toBeGreaterThan(40);
  expect(names.filter((name) => !isKnown(name))).toEqual([]);
});

it.each(['sde', 'ode'] as const)('docs/sampling.md lists every integrator of the %s', (kind) => {
  const table = /\| `kind` \| `method`[^]*?\n\n/.exec(read('docs/sampling.md'))![0];
  const rows = table
    .slice(table.indexOf(`| \`${kind}\``))
    .split(/\n(?=\| `)/)[0]!
    .split('\n');
  const listed = rows.flatMap((row) => {
    const [, , methods, evaluations] = row.split('|');
    return quoted(methods ?? '').map((name) => [name, Number.parseInt(evaluations!)]);
  });
  const facts = integratorNames(kind).map((method) => [
    method,
    stepFacts({ kind, method } as Parameters<typeof stepFacts>[0]).evaluations,
  ]);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(facts));
});

it('the runner has no word of what its stages are about', () => {
  // `weights` is one of the keys that hold paths, whatever kind of stage has it.
  const ours =
    /autoencoder|mediator|attention|latent|diffusion|inception|fr[eé]chet|guidance|integrator|interpolant|sampler|\bimages?\b|\btrain|\bvae|\bfid\b|\bema\b|\bepoch/i;
  const found = programs
    .filter((path) => path.startsWith('src/runner/'))
    .flatMap((path) => {
      const code = read(path).replace(/\/\*[^]*?\*\/|(?<=^|\s)\/\/[^\n]*/g, '');
      return code.split('\n').flatMap((line) => (ours.test(line) ? [`${path}: ${line.trim()}`] : []));
    });
  expect(found).toEqual([]);
});

it('imports are at most 6 % of the lines of src', () => {
  const texts = programs.filter((path) => path.startsWith('src/')).map(read);
  const lines = (text: string): number => text.split('\n').length - 1;
  const imports = texts
    .flatMap((text) => text.match(/^import\b(?!\()[^;]*;\n/gm) ?? [])
    .reduce((sum, statement) => sum + lines(statement), 0);
  expect(imports).toBeGreaterThan(1000);
  expect(imports / texts.reduce((sum, text) => sum + lines(text), 0)).toBeLessThan(0.06);
});

it('doc comments begin with a verb or a noun', () => {
  const openings = programs.flatMap((path) =>
    Array.from(
      read(path).matchAll(
        /\/\*\*[\s*]*((?:What|Whether|How|Which|Where|When|Why|Told|Such as|As `|Nothing where|Everything that|Undefined )\b[^\n]*)/g,
      ),
      ([, line]) => `${path}: ${line!}`,
    ),
  );
  expect(openings).toEqual([]);
});
