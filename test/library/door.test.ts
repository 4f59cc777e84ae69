import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { behindDoor } from '../../src/library/door.js';

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

it('finds the entries', () => {
  expect(sources).toEqual(['../../src/index.js', '../../src/tensorflow/index.js']);
});

describe.each(sources)('%s', (source) => {
  let library: Record<string, unknown>;
  beforeAll(async () => {
    library = behindDoor((await import(source)) as Record<string, unknown>);
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

it('refuses wrong calls of methods, and takes right ones', async () => {
  const library = behindDoor(await import('../../src/index.js'));
  const sizes = { hiddenSize: 8, depth: 1, heads: 2, patchSize: 1, latentSize: 2, classes: 2, mediators: 1 };
  const model = await library.SiT.create(library.SiT.configOf(sizes), {
    runtime: { device: 'cpu', threads: 1 },
  });
  expect(model).toBeInstanceOf(library.SiT);
  const statistics = new library.StatisticsAccumulator(2);
  expect(() => (statistics.add as Call).call(statistics)).toThrow(
    expect.objectContaining({ code: 'argument' }),
  );
  const { latents } = await library.sampleSde(model, { labels: [0], steps: 3 });
  expect(latents.shape).toEqual([1, 2, 2, 4]);
  expect(() => library.toImages(undefined as never)).toThrow(
    expect.objectContaining({
      code: 'argument',
      message: expect.stringContaining(
        '`toImages` cannot use what it was given (undefined): Cannot',
      ) as string,
      cause: expect.any(TypeError) as TypeError,
    }),
  );
  // The caller's own mistake in a callback is the caller's.
  const mistake = () => {
    throw new TypeError('mine');
  };
  await expect(library.sampleSde(model, { labels: [0], steps: 3, onState: mistake })).rejects.toThrow(
    TypeError,
  );
  await model.close();
});
