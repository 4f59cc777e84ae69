import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  initialize,
  madeValues,
  normal,
  ones,
  type Parameter,
  uniform,
  zeros,
} from '../../src/nn/parameters.js';
import {
  floats,
  type HostTensor,
  type RuntimeOptions,
  Session,
  VariableStore,
} from '../../src/tensorflow/index.js';

/** Large enough to be drawn by several threads, and of sizes that are no multiple of Philox's four words. */
const parameters: readonly Parameter[] = [
  { name: 'zeros', shape: [7, 3], initial: zeros },
  { name: 'ones', shape: [5], initial: ones },
  { name: 'normal', shape: [1021, 1031], initial: normal(0.02), factor: true },
  { name: 'uniform', shape: [2, 513, 1023], initial: uniform(0.05) },
  { name: 'small', shape: [3], initial: uniform(1) },
];

const ways: readonly (readonly [string, RuntimeOptions])[] = [
  ['that runs graphs as they are', { rewriting: false }],
  ['that rewrites graphs', { rewriting: true }],
  ['in bfloat16', { rewriting: false, precision: 'bfloat16' }],
  ['in float16', { precision: 'float16' }],
  ['that XLA compiles for', { xla: true }],
  ['of one thread', { rewriting: false, threads: 1 }],
];

const digest = (value: HostTensor): string =>
  createHash('sha256')
    .update(new Uint8Array(floats(value).buffer))
    .digest('hex');

async function digests(store: VariableStore): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const [{ name }, value] of store.read()) found[name] = digest(value);
  return found;
}

describe('start values that a session makes for itself', () => {
  test.each(ways)('are those of JavaScript, bit for bit, in a session %s', async (_, options) => {
    const session = new Session({ device: 'cpu', ...options });
    try {
      const newStore = () =>
        new VariableStore(
          session,
          parameters.map(({ name, shape, factor }) => session.variable(name, shape, { factor })),
        );
      const [ofSession, ofHost] = [newStore(), newStore()];
      const [made, expected] = [madeValues(parameters, 5), initialize(parameters, 5)];
      await ofSession.write(({ name }) => made(name));
      await ofHost.write(({ name }) => expected[name]!);
      expect(await digests(ofSession)).toEqual(await digests(ofHost));
      // What is no factor of products is kept as it is.
      expect((await digests(ofHost)).uniform).toBe(digest(expected.uniform!));
    } finally {
      await session.close();
    }
  });

  test('are others for another seed', () => {
    const [a, b] = [5, 6].map((seed) => floats(initialize(parameters, seed).small!));
    expect(a).not.toEqual(b);
  });
});
