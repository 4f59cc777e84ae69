import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { environmentVariables } from '../../src/base/environment-variables.js';
import { formatBytes } from '../../src/base/format.js';
import { commands } from '../../src/cli/program.js';
import type { TrainConfig } from '../../src/generated/index.js';
import { sitCost, trainingOperations } from '../../src/models/sit/cost.js';
import { trainingMemory } from '../../src/models/sit/memory.js';
import { formatDiagnostics } from '../../src/runner/format-diagnostics.js';
import type { Json } from '../../src/runner/stage.js';
import { isLockFile } from '../../src/runner/yaml/text.js';
import { loadPipeline, loadSweep } from '../../src/stages/load.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { modelConfig } from '../../src/stages/train/config.js';
import { describeTrain, totalSteps } from '../../src/stages/train/facts.js';
import { memoryChoice } from '../../src/stages/train/memory.js';
import { runtimeConfig } from '../support/runtime-config.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Block {
  readonly language: string;
  readonly line: number;
  readonly text: string;
}

interface Page {
  /** Relative to the project. */
  readonly path: string;
  readonly text: string;
  /** What stands between fences. */
  readonly blocks: readonly Block[];
  /** The text without fenced blocks, each line of them blank. */
  readonly prose: string;
}

function pageOf(path: string, text: string): Page {
  const blocks: Block[] = [];
  const prose = text.replace(
    /^( *)```(\w*)\n([\s\S]*?)^\1```$/gm,
    (whole, _, language: string, block: string, at: number) => {
      blocks.push({ language, line: text.slice(0, at).split('\n').length + 1, text: block });
      return whole.replace(/[^\n]/g, '');
    },
  );
  return { path, text, blocks, prose };
}

async function filesOf(folder: string, ending: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

const markdown = [
  ...(await readdir(root)).filter((name) => name.endsWith('.md')),
  ...(await Promise.all(['docs', 'tools', 'editors'].map((folder) => filesOf(folder, '.md')))).flat(),
];
const pages = await Promise.all(
  markdown.map(async (path) => pageOf(path, await readFile(join(root, path), 'utf8'))),
);
const recipes = await Promise.all(
  (await filesOf('pipelines', '.yaml')).map(async (path) => ({
    path,
    isLock: await isLockFile(join(root, path)),
    head: (await readFile(join(root, path), 'utf8')).split(/^\w/m)[0]!,
  })),
).then((all) => all.filter(({ isLock }) => !isLock));

/** Code between single backticks, on one line. */
const spansOf = ({ prose }: Page): string[] => [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);

/** All that a reader could type: fenced blocks, code in sentences, and the comments at the head of recipes. */
const typed = [
  ...pages.map((page) => ({
    path: page.path,
    code: [
      ...page.blocks.filter(({ language }) => ['sh', ''].includes(language)).map(({ text }) => text),
      ...spansOf(page),
    ],
  })),
  ...recipes.map(({ path, head }) => ({ path, code: [head.replace(/^#/gm, '')] })),
];

describe('examples in YAML', () => {
  /**
   * What completes an example that shows a part of a file: stages of these ids. A stage with `uses` takes the place of the
   * one of its id, keys without it are added to that one, and other keys of a file stand beside `stages`.
   */
  const frame = {
    name: 'frame',
    stages: {
      images: { uses: 'images', path: 'photos', size: 256 },
      autoencoder: { uses: 'autoencoder', images: 'images', channels: [32, 64], steps: 2000 },
      latents: { uses: 'encode', images: 'images', autoencoder: 'autoencoder' },
      ...Object.fromEntries(
        ['train', 'train-4', 'train-16', 'train-64', 'train-weak'].map((id) => [
          id,
          { uses: 'train', latents: 'latents', model: { name: 'SiT-S/2', mediators: 4 }, epochs: 3 },
        ]),
      ),
      sample: { uses: 'sample', model: 'train', autoencoder: 'autoencoder', count: 9 },
      evaluate: {
        uses: 'evaluate',
        samples: 'sample',
        reference: 'latents',
        autoencoder: 'autoencoder',
        metrics: ['latentFrechetDistance'],
      },
    },
  } as const;
  type Stages = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

  function completed(text: string): string {
    const { stages: own, runtime, seed, sweep, ...rest } = parse(text) as Record<string, unknown>;
    const stages: Stages = { ...(own as Stages | undefined), ...(rest as Stages) };
    const bases: Stages = frame.stages;
    const merged = Object.entries(stages).map(
      ([id, stage]) => [id, 'uses' in stage ? stage : { ...bases[id], ...stage }] as const,
    );
    return stringify({ ...frame, runtime, seed, sweep, stages: { ...bases, ...Object.fromEntries(merged) } });
  }

  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'docs-'));
    // What examples extend.
    await cp(join(root, 'pipelines'), folder, { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true }));

  const examples = pages.flatMap(({ path, blocks }) =>
    blocks
      .filter(({ language, text }) => language === 'yaml' && !/^#[^\n]*\n$/.test(text))
      .map(({ text, line }) => ({ at: `${path}:${line}`, text })),
  );

  it.each(examples)('$at is valid', async ({ at, text }) => {
    const isWhole = /^(?:extends|name):/m.test(text);
    const file = join(folder, `${at.replace(/\W+/g, '-')}.yaml`);
    await writeFile(file, isWhole ? text : completed(text));
    const env = { IMAGENET: 'imagenet' };
    const loaded = /^sweep:/m.test(text) ? await loadSweep(file, { env }) : await loadPipeline(file, { env });
    expect(loaded.ok ? '' : formatDiagnostics(loaded.diagnostics)).toBe('');
  });

  it('are whole files in the reference', () => {
    const reference = examples.filter(({ at }) => at.startsWith('docs/reference/'));
    expect(reference.length).toBeGreaterThanOrEqual(9);
    for (const { at, text } of reference) expect(text, at).toMatch(/^name:/m);
  });
});

describe('links', () => {
  /** Anchors as GitHub makes them from headings. */
  const anchorsOf = ({ prose }: Page): Set<string> =>
    new Set(
      [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
          .toLowerCase()
          .replace(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      ),
    );
  const byPath = new Map(pages.map((page) => [page.path, page]));
  const linksOf = ({ path, prose }: Page) =>
    [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => {
        const [file = '', anchor] = target.split('#');
        return { target, to: file === '' ? path : join(dirname(path), file), anchor };
      });

  it.each(pages)('$path links to what is there', (page) => {
    for (const { target, to, anchor } of linksOf(page)) {
      expect(existsSync(join(root, to)), target).toBe(true);
      const linked = byPath.get(to);
      if (anchor !== undefined && linked) expect([...anchorsOf(linked)], target).toContain(anchor);
    }
  });

  it('lead from the README to every page', () => {
    const reached = new Set(['README.md']);
    for (const path of reached)
      for (const { to } of linksOf(byPath.get(path)!)) if (byPath.has(to)) reached.add(to);
    expect(markdown.filter((path) => !reached.has(path))).toEqual([]);
  });
});

const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

describe('commands', () => {
  const program = new Command();
  for (const declare of Object.values(commands)) declare(program, () => Promise.resolve());
  const optionsOf = new Map(
    program.commands.map((command) => [
      command.name(),
      command.options.flatMap(({ long, short }) => [long, short]),
    ]),
  );
  /** Lines, those that go on in an indented one put together. */
  const linesOf = (code: string): string[] => code.replace(/ *\n {3,}(?=--)/g, ' ').split('\n');

  it.each(typed)('of $path are there', ({ code }) => {
    for (const line of code.flatMap(linesOf)) {
      for (const [, script] of line.matchAll(/npm run (?:--silent )?([\w:]+)/g))
        expect(Object.keys(scripts)).toContain(script);
      for (const [whole, name, rest] of line
        .split(/\s#\s/)[0]!
        .matchAll(/(?:^|[ `(])pipeline ([a-z]+)\b([^`#;|]*)/g)) {
        if (!/npx pipeline|^ *(?:\$ )?pipeline/.test(line)) continue;
        expect([...optionsOf.keys()], whole).toContain(name);
        for (const [, option] of rest!.matchAll(/(?<= )(--?[a-z][\w-]*)/g))
          expect([...optionsOf.get(name!)!, '--help', '--version'], whole).toContain(option);
      }
    }
  });

  it('sweep recipes over values that these take', async () => {
    const sweeps = typed.flatMap(({ code }) =>
      code.flatMap((text) =>
        Array.from(text.matchAll(/npx pipeline sweep (pipelines\/\S+\.yaml)(( --grid [\w.]+=[\w,.-]+)+)/g)),
      ),
    );
    expect(sweeps.length).toBeGreaterThan(1);
    for (const [command, file, options] of sweeps) {
      const grid = options!.split(' --grid ').slice(1);
      const loaded = await loadSweep(join(root, file!), { grid });
      expect(loaded.ok ? '' : formatDiagnostics(loaded.diagnostics), command).toBe('');
    }
  });

  it('are all named in the README, or in pages that it leads to', () => {
    const named = pages.map(({ text }) => text).join('\n');
    const missing = program.commands
      .map((command) => command.name())
      .filter((name) => !['complete', 'worker'].includes(name) && !named.includes(`pipeline ${name}`));
    expect(missing).toEqual([]);
  });
});

it('messages and pages name commands in one way, as `npx pipeline`', async () => {
  const files = [
    ...(await Promise.all(['src', 'schemas', 'pipelines', 'examples'].map((each) => filesOf(each, '')))),
    ...markdown,
  ].flat();
  const sources = await Promise.all(
    files.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })),
  );
  const names = Object.keys(commands).join('|');
  // `docker compose run --rm pipeline` has a service of that name.
  const bare = new RegExp(`(?<![\\w-]|npx |the |of |--rm )pipeline (?:${names})\\b`);
  const linesWith = (wanted: RegExp) =>
    sources.flatMap(({ path, text }) =>
      text
        .split('\n')
        .filter((line) => !/^ *(?:\*|\/\*\*|\/\/)/.test(line) && wanted.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
  // The name of a temporary folder.
  expect(linesWith(bare).filter((line) => !line.includes('mkdtemp'))).toEqual([]);
  // Paths in them are words of a command, with spaces too.
  expect(linesWith(/npx pipeline [^`]*\$\{(?:shortPath\(|basename\(|\w*[fF]ile\})/)).toEqual([
    // Given so by `init`.
    ...linesWith(/^#.*npx pipeline \w+ \$\{file\}/),
  ]);
});

it.each(typed)('paths in code of $path are there', ({ code }) => {
  /** Files that a reader would have. */
  const own = /\b(?:mine|NAME|KIND)\b/;
  for (const text of code)
    for (const [path] of text.matchAll(
      /(?<![\w./-])(?:src|test|tools|docs|pipelines|schemas|examples)\/[\w./-]*\w/g,
    ))
      if (!own.test(path)) expect(existsSync(join(root, path)), path).toBe(true);
});

it('every environment variable that the program reads is described, and no other', async () => {
  const variables = (text: string) => text.match(/\bPIPELINE_[A-Z_]+\b/g) ?? [];
  const sources = [...(await filesOf('src', '.ts')), ...(await filesOf('tools', '.mjs'))];
  const texts = await Promise.all(sources.map((path) => readFile(join(root, path), 'utf8')));
  const read = new Set(texts.flatMap(variables));
  // For tests: the moment at which a process dies.
  read.delete('PIPELINE_KILL_AT');
  // The prefix alone, and a variable of Azure Pipelines.
  read.delete('PIPELINE_');
  read.delete('PIPELINE_WORKSPACE');
  const described = new Set(pages.flatMap(({ text }) => variables(text)));
  expect([...described].sort()).toEqual([...read].sort());
  expect([...described].sort()).toEqual([...environmentVariables].sort());
  const { text } = pages.find(({ path }) => path === 'docs/installation.md')!;
  const listed = text.match(/(?<=^\| `)PIPELINE_[A-Z]+(?=` \|)/gm);
  expect(listed?.sort()).toEqual([...environmentVariables].sort());
});

describe('the head of a recipe', () => {
  /** Images of ILSVRC2012's training set. */
  const imagenet = 1_281_167;
  const known = recipes.filter(({ head }) => head.includes('GFLOPs'));

  it.each(known)('of $path gives the figures of plan', async ({ path, head }) => {
    // The samples are of the model that this recipe trains.
    const trains = path.replace('sample-static', 'imagenet-256');
    const text = head.replace(/\n# ?/g, ' ');
    const loaded = await loadPipeline(join(root, trains));
    if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
    const config = (id: string) => loaded.pipeline.stages.get(id)!.config;
    const train = config('train') as TrainConfig;
    const { size } = config('images') as { size: number };
    const modelOf = (model: TrainConfig['model']) =>
      modelConfig({ ...train, model }, { latentSize: size / 8, channels: 4, classes: 1000 });
    const plain = Object.fromEntries(Object.entries(train).filter(([key]) => key !== 'start')) as TrainConfig;
    const resolve = (id: string) => ({
      kind: loaded.pipeline.stages.get(id)!.kind,
      config: config(id) as Json,
    });
    const costs = new Map<number | undefined, string>();
    for (const mediators of [undefined, 64, 16, 4, 0]) {
      const model = { ...train.model, ...(mediators !== undefined && { mediators }) };
      const facts = await describeTrain({ ...plain, model }, resolve, runtimeConfig(), root);
      costs.set(mediators, facts.find(({ label }) => label === 'GFLOPs a sample')!.value);
    }
    expect(text).toContain(`${costs.get(undefined)!} GFLOPs a sample`);
    for (const [, figure, mediators] of text.matchAll(
      /(\d+\.\d\d)(?: GFLOPs a sample)? (?:with (\d+)|without)\b/g,
    ))
      expect(figure, `${mediators ?? 0} mediators`).toBe(costs.get(Number(mediators ?? 0)));
    if (trains !== path) return;
    const model = modelOf(train.model);
    const operations = trainingOperations(sitCost(model)) * totalSteps(train, imagenet) * train.globalBatch;
    expect(text).toContain(operations.toExponential(1).replace('+', ''));
    const memory = (share: number, recompute: boolean) =>
      formatBytes(trainingMemory(model, memoryChoice({ ...train, recompute }, share)));
    const [, bytes, share] = /needs about ([\d.]+ GB) for (?:its )?(\d+) latents/.exec(text)!;
    expect(bytes).toBe(memory(Number(share), false));
    const [, less] = /or ([\d.]+ GB) with --set stages\.train\.recompute=true/.exec(text) ?? [];
    if (less !== undefined) expect(less).toBe(memory(Number(share), true));
  });

  it('is checked for the paper’s trainings', () => {
    expect(known.length).toBeGreaterThanOrEqual(8);
  });
});

it('pages open with one heading, and are named after what they are about', () => {
  for (const { path, prose } of pages) expect(prose.match(/^# .+$/gm), basename(path)).toHaveLength(1);
});

describe('tables of what stages take', () => {
  const tableIn = (path: string, head: string): string[][] => {
    const { text } = pages.find((page) => page.path === path)!;
    const rows = text.slice(text.indexOf(head)).split('\n\n')[0]!.split('\n').slice(2);
    return rows.map((row) =>
      row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  };
  const names = (cell: string): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  interface Properties {
    readonly properties: Readonly<Record<string, { readonly $ref?: string; readonly properties?: object }>>;
  }
  const schemaOf = async (name: string) =>
    JSON.parse(await readFile(join(root, 'schemas/stages', `${name}.schema.json`), 'utf8')) as Properties;
  const kinds = readdirSync(join(root, 'schemas/stages')).map((name) => name.split('.')[0]!);

  it('of seed and runtime are those of the schemas', async () => {
    const told: Record<string, string[]> = {};
    for (const [stages, keys] of tableIn('docs/pipelines.md', '| Stage | Takes |'))
      for (const stage of stages!.split(/, (?=`)/))
        told[stage.endsWith('with `weights`') ? 'pretrained-autoencoder' : names(stage)[0]!] = names(
          keys!,
        ).sort();
    const definitions = JSON.parse(await readFile(join(root, 'schemas/definitions.schema.json'), 'utf8')) as {
      readonly definitions: Readonly<Record<string, Properties>>;
    };
    const takes: Record<string, string[]> = {};
    for (const kind of kinds) {
      const { seed, runtime } = (await schemaOf(kind)).properties;
      const of = runtime && definitions.definitions[runtime.$ref!.split('/').at(-1)!]!.properties;
      const keys = [...(seed ? ['seed'] : []), ...Object.keys(of ?? {}), ...(of ? ['runtime'] : [])];
      if (keys.length > 0) takes[kind] = keys.sort();
    }
    expect(told).toEqual(takes);
  });

  it('of several workers are the kinds that share their work', async () => {
    const told = tableIn('docs/workers.md', '| Stage | Each worker').flatMap(([stages]) => names(stages!));
    const loaded = await Promise.all(stageRegistry.names.map((name) => stageRegistry.load(name)));
    const shared = loaded.filter(({ dataParallel }) => dataParallel === true).map(({ name }) => name);
    expect(told.sort()).toEqual(shared.sort());
  });
});
