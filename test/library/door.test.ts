import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { behindDoor } from '../../src/library/door.js';
import { misfitOf, type Shapes } from '../../src/library/shapes.js';
import { shapesOf } from '../../tools/door-shapes.mjs';

type Call = (...args: unknown[]) => unknown;

const { exports: entries } = JSON.parse(await readFile('package.json', 'utf8')) as {
  exports: Record<string, { types?: string }>;
};
/** The sources of the package's entries, as its export map names them. */
const sources = Object.values(entries).flatMap(({ types }) =>
  types === undefined ? [] : [types.replace('./dist/', '../../src/').replace('.d.ts', '.js')],
);

/** Arguments that no function takes. */
const wrong: readonly unknown[][] = [
  [],
  [undefined],
  [null, null, null],
  [{}, {}, {}],
  ['x', 'x', 'x'],
  [-1, -1, -1],
  [NaN, NaN, NaN],
  [[], [], []],
  [() => 1, () => 1, () => 1],
];

let folder: string;
const shapes = new Map<string, Shapes>();
const shapesFile = (source: string): URL => pathToFileURL(join(folder, `${sources.indexOf(source)}.json`));
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'door '));
  for (const source of sources) {
    const path = fileURLToPath(new URL(source.replace('.js', '.ts'), import.meta.url));
    shapes.set(source, shapesOf(path));
    await writeFile(shapesFile(source), JSON.stringify(shapes.get(source)));
  }
}, 300_000);
afterAll(() => rm(folder, { recursive: true }));

it('finds the entries', () => {
  expect(sources).toEqual(['../../src/index.js', '../../src/tensorflow/index.js']);
});

describe.each(sources)('%s', (source) => {
  let library: Record<string, unknown>;
  beforeAll(async () => {
    library = behindDoor((await import(source)) as Record<string, unknown>, shapesFile(source));
  });

  it(
    'ends every wrong call of a function in a UserError with a code, or in a value',
    { timeout: 120_000 },
    async () => {
      const bad: string[] = [];
      const { UserError } = await import('../../src/base/errors.js');
      const attempt = async (name: string, call: () => unknown) => {
        try {
          await Promise.race([call(), new Promise((resolve) => setTimeout(resolve, 2000))]);
        } catch (error) {
          if (!(error instanceof UserError && /^[a-z-]+$/.test(error.code)))
            bad.push(`${name}: ${String(error)}`);
        }
      };
      let calls = 0;
      for (const [name, value] of Object.entries(library)) {
        if (typeof value !== 'function') continue;
        const isClass = Function.prototype.toString.call(value).startsWith('class');
        const statics = isClass
          ? Object.getOwnPropertyNames(value).filter((key) => typeof Reflect.get(value, key) === 'function')
          : [];
        for (const args of wrong) {
          await attempt(name, () =>
            isClass ? (Reflect.construct(value, args) as unknown) : (value as Call)(...args),
          );
          for (const key of statics)
            await attempt(`${name}.${key}`, () => (Reflect.get(value, key) as Call)(...args));
          calls++;
        }
      }
      expect(bad).toEqual([]);
      expect(calls).toBeGreaterThan(400);
    },
  );
});

describe('the library', () => {
  const source = '../../src/index.js';
  let library: typeof import('../../src/index.js');
  beforeAll(async () => {
    library = behindDoor(await import('../../src/index.js'), shapesFile(source));
  });

  it('knows what every function takes', async () => {
    const { functions } = shapes.get(source)!;
    const exported: object = await import('../../src/index.js');
    const callable = Object.entries(exported).filter(([, value]) => typeof value === 'function');
    expect(callable.length).toBeGreaterThan(80);
    for (const [name] of callable) expect(Object.keys(functions), name).toContain(name);
    expect(Object.keys(functions)).toEqual(
      expect.arrayContaining(['SiT.open', 'SiT.save', 'Decoder.decode']),
    );
  });

  const image = { width: 1, height: 1, data: new Uint8Array(3) };
  const model = { hiddenSize: 8, depth: 1, heads: 2, patchSize: 1, latentSize: 1, classes: 1, mediators: 1 };
  it.each<[string, unknown[], string | undefined]>([
    ['toImages', [undefined], '`pixels` must be an object; undefined was found'],
    ['writePng', ['a.png', image], undefined],
    ['writePng', ['a.png', { ...image, data: [1, 2, 3] }], '`image.data` must be of the class Uint8Array'],
    ['writePng', ['a.png', { ...image, width: 'x' }], '`image.width` must be a number; a text was found'],
    ['imageGrid', [[image], { columns: 1 }], undefined],
    ['imageGrid', [[image, 5], { columns: 1 }], '`images[1]` must be an object; 5 was found'],
    ['train', [model, [{ ...image, label: 0 }], { steps: 1 }], undefined],
    ['train', [{ ...model, mediators: [1] }, [{ ...image, label: 0 }], { steps: 1 }], undefined],
    ['train', [model, [image], { steps: 1 }], '`images[0].label` must be a number; undefined was found'],
    ['train', [model, [], { steps: 1, onStep: 1 }], '`options.onStep` must be a function'],
    ['SiT.configOf', [{ name: 'SiT-S/2', latentSize: 4, classes: 1, mediators: 0 }], undefined],
    ['float32', [[1], new Float32Array(1)], undefined],
  ])('%s of %j: %s', (name, args, expected) => {
    const misfit = misfitOf(name, args, shapes.get(source)!);
    if (expected === undefined) expect(misfit).toBeUndefined();
    else expect(misfit).toContain(expected);
  });

  it('refuses wrong calls of methods, and takes right ones', async () => {
    const sit = await library.SiT.create(library.SiT.configOf({ ...model, latentSize: 2 }), {
      runtime: { device: 'cpu', threads: 1 },
    });
    expect(sit).toBeInstanceOf(library.SiT);
    const statistics = new library.StatisticsAccumulator(2);
    expect(() => (statistics.add as Call).call(statistics)).toThrow(
      expect.objectContaining({ code: 'argument' }),
    );
    const { latents } = await library.sampleSde(sit, { labels: [0], steps: 3 });
    expect(latents.shape).toEqual([1, 2, 2, 4]);
    expect(() => library.toImages(undefined as never)).toThrow(
      expect.objectContaining({
        code: 'argument',
        message: '`toImages` cannot use what it was given: `pixels` must be an object; undefined was found.',
        cause: expect.any(TypeError) as TypeError,
      }),
    );
    // The caller's own mistake in a callback is the caller's.
    const mistake = () => {
      throw new TypeError('mine');
    };
    await expect(library.sampleSde(sit, { labels: [0], steps: 3, onState: mistake })).rejects.toThrow(
      TypeError,
    );
    // A wrong call in a callback is one.
    const wrongCall = () => library.toImages(undefined as never);
    await expect(library.sampleSde(sit, { labels: [0], steps: 3, onState: wrongCall })).rejects.toMatchObject(
      { code: 'argument', message: expect.stringContaining('`toImages`') as string },
    );
    await sit.close();
    // What an object was made of may be missed by its methods alone.
    const decoder = new library.Decoder(undefined as never, 1);
    await expect(decoder.decode(latents)).rejects.toMatchObject({
      code: 'argument',
      message: expect.stringContaining('`Decoder` cannot use what it was given: `autoencoder`') as string,
    });
  });

  it('tells its own defects from wrong calls, with their stacks', () => {
    const right = [[image], { columns: 1 }] as const;
    expect(library.imageGrid(...right).width).toBeGreaterThan(0);
    // A defect: something that its code calls is no function.
    const { ceil } = Math;
    Math.ceil = undefined as never;
    let caught: unknown;
    try {
      library.imageGrid(...right);
    } catch (error) {
      caught = error;
    } finally {
      Math.ceil = ceil;
    }
    expect(caught).not.toBeInstanceOf(library.UserError);
    expect(caught).toMatchObject({
      message: 'Internal error in `imageGrid`: Math.ceil is not a function',
      cause: { stack: expect.stringContaining('png.ts') as string },
    });
  });
});
