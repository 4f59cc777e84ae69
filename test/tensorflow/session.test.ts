import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CompiledProgram,
  float32,
  floats,
  type HostTensor,
  int32,
  scalar,
  Session,
  type SessionVariable,
  type StepStats,
  type Tensor,
  TensorFlowError,
  VariableStore,
} from '../../src/tensorflow/index.js';

/** TF_Code in TensorFlow's C API. */
const code = { invalidArgument: 3, failedPrecondition: 9 };

let session: Session;
beforeEach(() => {
  session = new Session({ device: 'cpu' });
});
afterEach(() => session.close());

describe('variables', () => {
  async function all(store: VariableStore): Promise<(readonly [SessionVariable, HostTensor])[]> {
    const values = [];
    for await (const value of store.read()) values.push(value);
    return values;
  }

  test('keep their values between runs', async () => {
    const a = session.variable('a', [2, 2]);
    const b = session.variable('b', [3]);
    const store = new VariableStore(session, [b, a]);
    const values = new Map([
      [a, float32([2, 2], Float32Array.of(1, 2, 3, 4))],
      [b, float32([3], Float32Array.of(5, 6, 7))],
    ]);
    for (let i = 0; i < 2; i++) {
      await store.write((variable) => values.get(variable)!);
      expect(await all(store)).toEqual([
        [b, values.get(b)],
        [a, values.get(a)],
      ]);
      values.set(a, float32([2, 2], Float32Array.of(-1, -2, -3, -4)));
    }
  });

  test('of the same name are different variables', async () => {
    const variables = [session.variable('w', []), session.variable('w', [])];
    const store = new VariableStore(session, variables);
    await store.write((variable) => scalar(variables.indexOf(variable)));
    expect((await all(store)).map(([, value]) => floats(value)[0])).toEqual([0, 1]);
  });

  test('are weights of a compiled program, read at each call', async () => {
    const weight = session.variable('weight', [2]);
    const scale = new CompiledProgram<{ x: Tensor }, { y: Tensor }>(
      session,
      ({ x }, { weight }) => ({ y: x.mul(weight!) }),
      { weight },
    );
    const store = new VariableStore(session, [weight]);
    for (const factor of [3, -2]) {
      await store.write(() => float32([2], Float32Array.of(factor, 1)));
      const { y } = await scale.call({ x: float32([2], Float32Array.of(10, 20)) });
      expect([...floats(y)]).toEqual([10 * factor, 20]);
    }
    expect(scale.traceCount).toBe(1);
  });

  test('changes happen in the order that control inputs give', async () => {
    const a = session.variable('a', []);
    await new VariableStore(session, [a]).write(() => scalar(1));
    const { graph } = session;
    const before = a.read();
    const added = graph.add(
      'AssignAddVariableOp',
      [a.handle, graph.scalar(10)],
      {},
      { after: [before.operation] },
    );
    const after = a.read([added]);
    const values = await session.run([], [before, after]);
    expect(values.map((value) => floats(value)[0])).toEqual([1, 11]);
  });

  test('read before they were written: an error that names the variable', async () => {
    const unset = session.variable('unset', []);
    await expect(all(new VariableStore(session, [unset]))).rejects.toMatchObject({
      name: 'TensorFlowError',
      statusCode: code.failedPrecondition,
      message: expect.stringContaining('unset') as string,
    });
  });

  test('of several portions are written while the next ones are made; a value that cannot be made is told', async () => {
    const size = 2 ** 22;
    const variables = ['a', 'b', 'c', 'd', 'e'].map((name) => session.variable(name, [size]));
    const store = new VariableStore(session, variables);
    const valueOf = (variable: SessionVariable) =>
      float32([size], new Float32Array(size).fill(variables.indexOf(variable)));
    await store.write(valueOf);
    const ends = (await all(store)).map(([, value]) => [floats(value)[0], floats(value).at(-1)]);
    expect(ends).toEqual([0, 1, 2, 3, 4].map((value) => [value, value]));
    const lacking = store.write((variable) => {
      if (variable === variables[4]) throw new Error('There is no e.');
      return valueOf(variable);
    });
    await expect(lacking).rejects.toThrow('There is no e.');
  });

  test('of another size are refused', async () => {
    const a = session.variable('a', [2]);
    await expect(new VariableStore(session, [a]).write(() => scalar(1))).rejects.toThrow(/a has shape \[2\]/);
  });
});

describe('runs', () => {
  /** A chain of matrix products that takes a while. */
  const slow = (over: Session) =>
    new CompiledProgram<{ x: Tensor }, { y: Tensor }>(over, ({ x }) => {
      let y = x;
      for (let i = 0; i < 6; i++) y = y.matMul(x).div(512);
      return { y: y.slice([0, 0], [1, 1]) };
    });
  const ones = float32([1024, 1024], new Float32Array(1024 * 1024).fill(1));
  /** Each product of ones multiplies by 1024 and divides by 512. */
  const expected = 2 ** 6;

  test('leave the event loop free', async () => {
    const order: string[] = [];
    const run = slow(session)
      .call({ x: ones })
      .then(({ y }) => {
        order.push('run');
        return y;
      });
    await Promise.all([run, sleep(1).then(() => order.push('timer'))]);
    expect(order).toEqual(['timer', 'run']);
    expect(floats(await run)[0]).toBe(expected);
  });

  test('at the same time keep their inputs apart', async () => {
    const square = new CompiledProgram<{ x: Tensor }, { y: Tensor }>(session, ({ x }) => ({ y: x.square() }));
    const results = await Promise.all(Array.from({ length: 32 }, (_, i) => square.call({ x: scalar(i) })));
    expect(results.map(({ y }) => floats(y)[0])).toEqual(Array.from({ length: 32 }, (_, i) => i * i));
  });

  test('end before the session closes', async () => {
    const order: string[] = [];
    const run = slow(session)
      .call({ x: ones })
      .then(({ y }) => {
        order.push('run');
        return y;
      });
    await session.close().then(() => order.push('close'));
    expect(order).toEqual(['run', 'close']);
    expect(floats(await run)[0]).toBe(expected);
  });

  test('after closing are refused, and closing again does nothing', async () => {
    const value = session.graph.scalar(1);
    await session.close();
    await session.close();
    await expect(session.run([], [value])).rejects.toThrow('The session is closed');
  });
});

describe('a run that fails', () => {
  test('rejects with what TensorFlow says, leaves nothing behind, and the session goes on', async () => {
    const { graph } = session;
    const input = graph.placeholder('float32', [2 ** 21]);
    const checked = graph.node('CheckNumerics', [input], { message: { string: 'the loss' } });
    const values = new Float32Array(2 ** 21);
    const bad = float32([2 ** 21], Float32Array.from(values).fill(NaN, 7, 8));
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 60; i++) {
      const error = await session.run([[input, bad]], [checked]).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(TensorFlowError);
      expect(error).toMatchObject({
        statusCode: code.invalidArgument,
        message: expect.stringMatching(/the loss.*NaN/) as string,
      });
    }
    // 60 inputs of 8 MiB would be 480 MiB.
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
    const [good] = await session.run([[input, float32([2 ** 21], values)]], [checked]);
    expect(floats(good!)[5]).toBe(0);
  });

  test('for lack of memory says how much was wanted, and what to change; the session goes on', async () => {
    const { graph } = session;
    // 2⁵² bytes: more than a process can address.
    const dimensions = graph.constant(int32([3], Int32Array.of(2 ** 20, 2 ** 20, 2 ** 10)));
    const value = graph.placeholder('float32', []);
    const filled = graph.node('Fill', [dimensions, value]);
    const largest = graph.node('Max', [filled, graph.constant(int32([3], Int32Array.of(0, 1, 2)))]);
    await expect(session.run([[value, scalar(1)]], [largest])).rejects.toMatchObject({
      name: 'UserError',
      code: 'out-of-memory',
      message: expect.stringMatching(
        /could not allocate a tensor of shape \[1048576, 1048576, 1024\], 4504 TB/,
      ) as string,
      remedy: expect.stringMatching(/`batch`.*`accumulate`/) as string,
    });
    const [good] = await session.run([[value, scalar(1)]], [graph.node('Neg', [value])]);
    expect(floats(good!)[0]).toBe(-1);
  });

  test('rejects a feed of another type', async () => {
    const input = session.graph.placeholder('float32', [3]);
    const doubled = session.graph.node('AddV2', [input, input]);
    await expect(session.run([[input, int32([3], new Int32Array(3))]], [doubled])).rejects.toThrow(
      TensorFlowError,
    );
  });

  test('an operation that does not fit is refused while the graph is built', () => {
    const { graph } = session;
    const a = graph.placeholder('float32', [2, 3]);
    expect(() => graph.node('MatMul', [a, a])).toThrow(/Dimensions must be equal/);
    expect(() => graph.node('NoSuchOperation', [])).toThrow(/NoSuchOperation/);
  });
});

describe('a traced run', () => {
  test('tells the time of every operation that ran', async () => {
    const { graph } = session;
    const x = graph.placeholder('float32', [300, 300]);
    const product = graph.node('MatMul', [x, x], {}, { name: 'product' });
    graph.node('Square', [product], {}, { name: 'unused' });
    const value = float32([300, 300], new Float32Array(90_000).fill(1));
    const told: StepStats[] = [];
    const before = Date.now() * 1000;
    const [result] = await session.run([[x, value]], [product], [], (stats) => told.push(stats));
    const after = Date.now() * 1000;
    expect(floats(result!)[0]).toBe(300);
    expect(told).toHaveLength(1);
    const run = told[0]!.find(({ node }) => node === 'product')!;
    expect(run.operation).toMatch(/MatMul$/);
    expect(run.device).toContain('CPU');
    expect(run.durationUs).toBeGreaterThan(0);
    // Both clocks are the system's; theirs is read in nanoseconds, ours in milliseconds.
    expect(run.startUs).toBeGreaterThan(before - 1000);
    expect(run.startUs + run.durationUs).toBeLessThan(after + 1000);
    expect(told[0]!.some(({ node }) => node === 'unused')).toBe(false);
  });

  test('gives the times of runs that several sessions make at once, one of which fails', async () => {
    const other = new Session({ device: 'cpu' });
    try {
      const told: StepStats[] = [];
      const value = float32([300, 300], new Float32Array(90_000).fill(1));
      const runs = [session, other, session, other].map((each, i) => {
        const x = each.graph.node('Placeholder', [], { dtype: { type: 'float32' } });
        const product = each.graph.node('MatMul', [x, x]);
        const given = i === 1 ? float32([1, 300], new Float32Array(300)) : value;
        return each.run([[x, given]], [product], [], (stats) => told.push(stats));
      });
      const settled = await Promise.allSettled(runs);
      expect(settled.map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
      ]);
      expect(told).toHaveLength(3);
      for (const stats of told)
        expect(stats.some(({ operation }) => operation.endsWith('MatMul'))).toBe(true);
    } finally {
      await other.close();
    }
  });
});
