import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  compile,
  CompiledProgram,
  EagerSession,
  float32,
  floats,
  type HostTensors,
  int32,
  mapValues,
  nativeBackend,
  type Program,
  runEagerly,
  Session,
  type Static,
  type Tensor,
  type Tensors,
  tf,
  trace,
} from '../../src/tensorflow/index.js';
import { signatureOf } from '../../src/tensorflow/signature.js';

let session: Session;
beforeAll(() => {
  nativeBackend();
});
beforeEach(async () => {
  await (session as Session | undefined)?.close();
  session = new Session({ device: 'cpu' });
});
afterAll(() => session.close());

const x = float32([2, 3], Float32Array.of(1, -2, 3, -4, 5, -6));
const y = float32([2, 3], Float32Array.of(0.5, 0.25, -1, 2, -0.125, 3));
const rows = int32([4], Int32Array.of(1, 0, 1, 1));

type Inputs = Readonly<Record<'x' | 'y' | 'rows', Tensor>>;
const inputs = { x, y, rows };

const square = tf.customGrad((value) => {
  const input = value as Tensor;
  // Not the true gradient, so that it shows whose is used.
  return { value: input.square(), gradFunc: (dy) => dy.mul(100) };
});
const gradients = (f: (x: Tensor, y: Tensor) => Tensor) => (i: Inputs) => {
  const [dx, dy] = tf.grads(f)([i.x, i.y]);
  return { dx: dx!, dy: dy! };
};

const programs: Record<string, (inputs: Inputs) => Tensors> = {
  arithmetic: (i) => ({ out: i.x.mul(i.y).add(1).sub(i.x).div(i.y.square().add(2)) }),
  'matrix product, transposed': (i) => ({ out: tf.matMul(i.x, i.y, false, true), t: i.x.transpose() }),
  reductions: (i) => ({ sum: i.x.sum(1), mean: i.x.mean(), max: i.y.max(0), arg: i.y.argMax(1) }),
  'list operations': (i) => ({
    concat: tf.concat([i.x, i.y, i.x], 1),
    stack: tf.stack([i.x, i.y], 1),
    addN: tf.addN([i.x, i.y, i.x]),
    first: tf.split(i.x, 3, 1)[0]!,
    last: tf.unstack(i.y)[1]!,
  }),
  'gather by constant indices': (i) => ({ out: tf.gather(i.x, [1, 1, 0]) }),
  'gather by traced indices': (i) => ({ out: tf.gather(i.x, i.rows), columns: i.y.gather(i.rows, 1) }),
  'one-hot and cast': (i) => ({ out: tf.oneHot(i.rows, 3), flags: i.x.greater(0), int: i.x.cast('int32') }),
  'select, slice, pad, tile': (i) => ({
    where: tf.where(i.x.greater(i.y), i.x, i.y),
    slice: i.x.slice([0, 1], [2, 1]),
    strided: i.x.stridedSlice([0, 2], [2, -4], [1, -2]),
    pad: i.x.pad([[1, 0], [0, 2]]), // prettier-ignore
    tile: i.x.tile([2, 1]),
  }),
  'softmax, GELU, normalisation': (i) => {
    const centred = i.x.sub(i.x.mean(1, true));
    return {
      softmax: tf.softmax(i.y),
      elu: tf.elu(i.x),
      norm: centred.mul(centred.square().mean(1, true).rsqrt()),
    };
  },
  'einsum and broadcast': (i) => ({
    out: tf.einsum('ij,kj->ik', i.x, i.y),
    wide: i.x.expandDims(2).add(i.y.mean(0)),
  }),
  convolution: (i) => ({
    out: tf.conv2d(i.x.as4D(1, 2, 3, 1), i.y.as4D(2, 3, 1, 1), 1, 'same'),
    depthwise: tf.depthwiseConv2d(i.x.as4D(1, 2, 3, 1), i.y.as4D(2, 3, 1, 1), 1, 'same'),
  }),
  'convolution of a single image, with strides, dilations and paddings': (i) => {
    const image = tf.concat([i.x, i.y, i.x], 0).as4D(1, 6, 3, 1);
    const filter = i.y.as4D(2, 3, 1, 1);
    return {
      strided: tf.conv2d(image, filter, [2, 1], 'same'),
      valid: tf.conv2d(image, filter, 1, 'valid'),
      dilated: tf.conv2d(image, filter, 1, 'same', 'NHWC', [2, 1]),
    };
  },
  'gradient of a product and a softmax': gradients((a, b) => tf.softmax(a.mul(b)).square().sum()),
  'gradient through a matrix product': gradients((a, b) => tf.matMul(a, b, false, true).tanh().sum()),
  'gradient through concat and slice': gradients((a, b) =>
    tf.concat([a, b]).slice([1, 0], [2, 3]).square().sum(),
  ),
  'gradient through gather': gradients((a, b) =>
    tf
      .gather(a.mul(b), tf.tensor1d([1, 1, 0], 'int32'))
      .square()
      .sum(),
  ),
  'gradient through a convolution': gradients((a, b) =>
    tf
      .conv2d(a.as4D(1, 2, 3, 1), b.as4D(2, 3, 1, 1), 1, 'same')
      .square()
      .sum(),
  ),
  'gradient through a depthwise convolution': gradients((a, b) =>
    tf
      .depthwiseConv2d(a.as4D(1, 2, 3, 1), b.as4D(2, 3, 1, 1), 1, 'same')
      .square()
      .sum(),
  ),
  'custom gradient': gradients((a, b) => square(a).sum().add(b.sum())),
  'inputs returned as they are': (i) => ({
    x: i.x,
    again: i.x,
    reshaped: i.x.reshape([2, 3]),
    sum: i.y.sum(),
  }),
  'tensors made while tracing': (i) => ({
    out: i.x
      .add(tf.linspace(0, 1, 3))
      .add(tf.eye(2, 3))
      .add(tf.range(0, 3)),
  }),
};

describe('a compiled program gives what it gives eagerly', () => {
  test.each(Object.entries(programs))('%s', async (_, program) => {
    const compiled = new CompiledProgram<Inputs, Tensors>(session, program);
    const actual = await compiled.call(inputs);
    const expected = runEagerly<Inputs, Tensors>(program, inputs);
    expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected)) {
      expect(actual[name]).toMatchObject({ dtype: value.dtype, shape: value.shape });
      // TensorFlow rewrites graphs, which changes the order of float32 sums.
      expect(actual[name]!.data).toBeAllclose(value.data, { absolute: 1e-5, relative: 1e-5 });
    }
  });

  test('and the numbers are right', async () => {
    const product = await run(({ x, y }) => ({ out: x!.mul(y!).sum() }), { x, y });
    expect(floats(product.out!)[0]).toBeCloseTo(0.5 - 0.5 - 3 - 8 - 0.625 - 18, 5);
    const custom = await run(({ x }) => ({ out: tf.grad((a) => square(a).sum())(x!) }), { x });
    expect([...floats(custom.out!)]).toEqual([100, 100, 100, 100, 100, 100]);
  });
});

function run(program: Program<Tensors, Tensors>, values: HostTensors) {
  return new CompiledProgram<Tensors, Tensors>(session, program).call(values);
}

describe('captured tensors', () => {
  test.each(['values not handed over yet', 'computed'])('%s, disposed after tracing', async (kind) => {
    const written = tf.tensor1d([10, 20, 30]);
    const captured = kind === 'computed' ? written.add(0) : written;
    const compiled = new CompiledProgram<{ x: Tensor }, { out: Tensor }>(session, (i) => ({
      out: i.x.add(captured),
    }));
    const first = await compiled.call({ x });
    tf.dispose([written, captured]);
    const again = await compiled.call({ x });
    expect([...floats(first.out)]).toEqual([11, 18, 33, 6, 25, 24]);
    expect(again.out).toEqual(first.out);
  });

  test('stay usable after a trace that used them first', async () => {
    const captured = tf.tensor1d([1, 2, 3]);
    await run(({ x }) => ({ out: x!.mul(captured) }), { x });
    expect([...captured.dataSync()]).toEqual([1, 2, 3]);
    expect([...captured.add(1).dataSync()]).toEqual([2, 3, 4]);
    captured.dispose();
  });
});

describe('what cannot be traced', () => {
  const disposed = () => {
    const tensor = tf.scalar(2);
    tensor.dispose();
    return tensor;
  };
  const tracing = (program: Program<Tensors, Tensors>) => () => trace(session, program, { x, rows });

  test.each<[string, Program<Tensors, Tensors>, RegExp]>([
    [
      'dataSync',
      ({ x }) => ({ out: x!.mul(x!.sum().dataSync()[0]!) }),
      /value of a tensor.*compile\.test\.ts:\d+/,
    ],
    [
      'arraySync',
      ({ x }) => ({ out: tf.tensor(x!.arraySync()) }),
      /value of a tensor.*compile\.test\.ts:\d+/,
    ],
    [
      'a result of unknown shape',
      ({ rows }) => ({ out: tf.unique(rows!).values }),
      /UniqueV2.*compile\.test\.ts:\d+.*shape/,
    ],
    [
      'operands that do not fit',
      ({ x }) => ({ out: tf.matMul(x!, x!) }),
      /MatMul.*compile\.test\.ts:\d+.*Dimensions must be equal/,
    ],
    [
      'the name of the function that reads',
      ({ x }) => ({ out: tf.scalar(x!.sum().dataSync()[0]!) }),
      /called as `dataSync`, cannot be traced/,
    ],
    [
      'data and array, though a program cannot wait for them',
      ({ x }) => {
        void x!.data().catch(() => undefined);
        return { out: x!.add(1) };
      },
      /value of a tensor.*compile\.test\.ts:\d+/,
    ],
    [
      'print',
      ({ x }) => {
        x!.print();
        return { out: x! };
      },
      /value of a tensor.*compile\.test\.ts:\d+/,
    ],
    [
      'control flow on values',
      ({ x }) => ({ out: (x!.sum() as unknown as number) > 0 ? x!.add(1) : x! }),
      /value of a tensor.*compile\.test\.ts:\d+/,
    ],
    [
      'an asynchronous program',
      // eslint-disable-next-line @typescript-eslint/require-await
      (async () => ({ out: tf.scalar(1) })) as unknown as Program<Tensors, Tensors>,
      /asynchronous function/,
    ],
    [
      'a variable of tfjs',
      ({ x }) => ({ out: x!.mul(tf.variable(tf.scalar(2), true, 'step')) }),
      /variable step of tfjs.*compile\.test\.ts:\d+/,
    ],
    [
      'a tensor that is disposed',
      ({ x }) => ({ out: x!.mul(disposed()) }),
      /tensor that is disposed.*compile\.test\.ts:\d+/,
    ],
    [
      'a method of a tensor that is disposed',
      ({ x }) => ({ out: disposed().mul(x!) }),
      /tensor that is disposed.*`mul`.*compile\.test\.ts:\d+/,
    ],
    ['a string tensor', ({ x }) => ({ out: tf.tensor(['a']).equal(x!) }), /string/i],
    [
      'a result that is no tensor',
      () => ({ out: 3 as unknown as Tensor }),
      /The result out, which is not a tensor/,
    ],
  ])('%s', (_, program, message) => {
    expect(tracing(program)).toThrow(message);
  });

  test.each<[string, () => Tensor]>([
    ['randomNormal', () => tf.randomNormal([2, 3])],
    ['randomNormal', () => tf.randomNormal([2, 3], 0, 1, 'float32', 7)],
    ['randomUniform', () => tf.randomUniform([2, 3])],
    ['randomUniform', () => tf.dropout(tf.ones([2, 3]), 0.5, undefined, 7)],
    ['truncatedNormal', () => tf.truncatedNormal([2, 3], 0, 1, 'float32', 7)],
    ['randomGamma', () => tf.randomGamma([2, 3], 1, 1, 'float32', 7)],
    ['Math.random', () => tf.rand([2, 3], () => Math.random())],
    ['Math.random', () => tf.scalar(Math.random())],
    ['Multinomial', () => tf.multinomial(tf.tensor2d([1, 1, 1, 1, 1, 1], [2, 3]), 3, 7).cast('float32')],
  ])('random numbers that are not drawn in the graph: %s', (name, draw) => {
    const run = tracing(({ x }) => ({ out: x!.mul(draw()) }));
    const facts = {
      code: 'untraceable',
      message: expect.stringMatching(new RegExp(`${name}.*compile\\.test\\.ts:\\d+`)) as string,
      remedy: expect.stringContaining('streamKey') as string,
    };
    expect(run).toThrow(expect.objectContaining(facts));
    expect(Math.random()).not.toBe(Math.random());
    expect(tf.tidy(() => draw().size)).toBeGreaterThan(0);
  });

  test('the error has a code and a remedy, and the engine goes on', () => {
    expect(tracing(({ x }) => ({ out: tf.scalar(x!.dataSync()[0]!) }))).toThrow(
      expect.objectContaining({
        code: 'untraceable',
        remedy: expect.stringContaining('may depend on values') as string,
      }),
    );
    expect([...tf.tidy(() => tf.ones([2]).add(1).dataSync())]).toEqual([2, 2]);
  });

  test('a trace in a trace', () => {
    const nested = tracing(({ x }) => {
      tracing(({ x }) => ({ out: x! }))();
      return { out: x! };
    });
    expect(nested).toThrow(/cannot trace another/);
  });

  test('a tensor that leaks out has no value', () => {
    let leaked: Tensor | undefined;
    tracing(({ x }) => {
      leaked = tf.keep(x!.add(1));
      return { out: leaked };
    })();
    expect(() => leaked!.dataSync()).toThrow(/belongs to a traced function/);
    expect(() => leaked!.add(1)).toThrow(/belongs to a traced function/);
    expect(() => trace(session, () => ({ out: leaked!.add(1) }), {})).toThrow(/another traced function/);
    leaked!.dispose();
  });
});

describe('signatures', () => {
  test('each shape and type is traced once, whatever the order of the inputs', async () => {
    const compiled = new CompiledProgram<{ a: Tensor; b: Tensor }, { out: Tensor }>(session, (i) => ({
      out: i.a.cast('float32').add(i.b),
    }));
    const ones = float32([3], Float32Array.of(1, 1, 1));
    await compiled.call({ a: x, b: y });
    await compiled.call({ b: x, a: y });
    expect(compiled.traceCount).toBe(1);
    const size = session.graph.size;
    const { out } = await compiled.call({ a: x, b: ones });
    expect(out.shape).toEqual([2, 3]);
    expect(compiled.traceCount).toBe(2);
    expect(session.graph.size).toBeGreaterThan(size);
    await compiled.call({ a: int32([3], Int32Array.of(1, 2, 3)), b: ones });
    expect(compiled.traceCount).toBe(3);
  });
});

describe('static values', () => {
  const scaled = () =>
    compile(
      ({ x }: { x: Tensor }, _, { power, negate }: { power: number; negate?: boolean | null }) => {
        let out = x;
        for (let i = 1; i < power; i++) out = out.mul(x);
        return { out: negate === true ? out.neg() : out };
      },
      { session },
    );
  const values = async (program: ReturnType<typeof scaled>, statics: { power: number; negate?: boolean }) => [
    ...floats((await program.call({ x: float32([2], Float32Array.of(2, 3)) }, statics)).out),
  ];

  test('are part of the signature, whatever the order of their keys', async () => {
    const program = scaled();
    expect(await values(program, { power: 2 })).toEqual([4, 9]);
    expect(await values(program, { power: 3, negate: true })).toEqual([-8, -27]);
    expect(await values(program, { negate: true, power: 3 })).toEqual([-8, -27]);
    expect(program.traceCount).toBe(2);
  });

  test('are told apart where JSON does not', () => {
    const keys = [
      0,
      -0,
      NaN,
      Infinity,
      null,
      undefined,
      '0',
      'null',
      [],
      {},
      [[]],
      { a: undefined },
      { a: null },
    ];
    expect(new Set(keys.map((statics) => signatureOf({}, statics))).size).toBe(keys.length);
  });

  test.each<[string, unknown]>([
    ['function', () => 1],
    ['Float32Array', new Float32Array(1)],
    ['Date', [new Date()]],
  ])('of the kind %s are refused', (kind, statics) => {
    expect(() => signatureOf({}, statics as Static)).toThrow(
      expect.objectContaining({ code: 'not-static', message: expect.stringContaining(kind) as string }),
    );
  });

  test('sizes that are not known are refused, by the name of the input', () => {
    for (const extent of [-1, NaN, 2.5, null, undefined])
      expect(() =>
        trace(session, ({ x }) => ({ x: x! }), { x: { dtype: 'float32', shape: [3, extent!] } }),
      ).toThrow(
        expect.objectContaining({
          code: 'size-unknown',
          message: expect.stringContaining('input x') as string,
        }),
      );
  });
});

describe('the number of traces kept', () => {
  const of = (size: number) => ({ x: float32([size], new Float32Array(size).fill(1)) });
  const sum = ({ x }: { x: Tensor }) => ({ out: x.sum() });

  test('is bounded: the least recently used is traced again', async () => {
    const program = compile(sum, { maxTraces: 2, runtime: { device: 'cpu' } });
    for (const [size, traces] of [
      [1, 1],
      [2, 2],
      [1, 2],
      [3, 3],
      [1, 3],
      [2, 4],
    ] as const) {
      expect([...floats((await program.call(of(size))).out)]).toEqual([size]);
      expect(program.traceCount).toBe(traces);
    }
    await program.close();
  });

  test('in a session that is given is a limit, which says what changed', async () => {
    const program = compile(sum, { session, maxTraces: 2 });
    await program.call(of(1));
    await program.call(of(2));
    await program.call(of(1));
    await expect(program.call(of(3))).rejects.toMatchObject({
      code: 'too-many-signatures',
      message: expect.stringMatching(/Now: x: float32\[3\].*Before: x: float32\[1\]/) as string,
    });
  });

  test('a program that cannot be traced leaves no session behind, and calls at the same time share a trace', async () => {
    const program = compile(sum);
    const results = await Promise.all([1, 1, 2].map((size) => program.call(of(size))));
    expect(results.map(({ out }) => floats(out)[0])).toEqual([1, 1, 2]);
    expect(program.traceCount).toBe(2);
    await program.close();
    const failing = compile(({ x }: { x: Tensor }) => ({ out: tf.scalar(x.dataSync()[0]!) }));
    await expect(failing.call(of(1))).rejects.toMatchObject({ code: 'untraceable' });
    await failing.close();
  });
});

describe('memory', () => {
  const counts = () => ({ tensors: tf.memory().numTensors, native: nativeBackend().eagerTensorCount });
  const program = gradients((a, b) =>
    tf
      .softmax(tf.matMul(a, b, false, true))
      .square()
      .sum(),
  );

  test('the number of live tensors is flat over 50 calls', async () => {
    const compiled = new CompiledProgram<Inputs, Tensors>(session, program);
    await compiled.call(inputs);
    const before = counts();
    for (let i = 0; i < 50; i++) {
      await compiled.call(inputs);
      runEagerly<Inputs, Tensors>(program, inputs);
    }
    expect(counts()).toEqual(before);
  });

  test('tracing and throwing leave none behind', () => {
    const specs = mapValues(inputs, ({ dtype, shape }) => ({ dtype, shape }));
    trace(session, program, specs);
    const before = counts();
    for (let i = 0; i < 10; i++) {
      trace(session, program, specs);
      const failing = (i: Inputs): Tensors => {
        program(i);
        throw new Error('as planned');
      };
      expect(() => trace(session, failing, specs)).toThrow('as planned');
      expect(() => runEagerly<Inputs, Tensors>(failing, inputs)).toThrow('as planned');
    }
    expect(counts()).toEqual(before);
  });
});

describe.each(['native', 'eager'] as const)('inputs of a program (%s)', (kind) => {
  const compiled = (batch?: Parameters<typeof compile>[1]) =>
    compile(({ a, b }: { a: Tensor; b: Tensor }) => ({ sum: a.add(b) }), {
      ...(kind === 'eager' && { session: new EagerSession() }),
      ...batch,
    });
  const one = float32([1], Float32Array.of(1));

  test.each<[what: string, inputs: unknown, told: RegExp]>([
    ['missing', { a: one }, /The program reads the input b, which is missing; given are a\./],
    ['no tensor', { a: one, b: 3 }, /The input b must be a tensor; number was found\./],
    ['nothing', { a: one, b: undefined }, /The input b must be a tensor; undefined was found\./],
    [
      'of more values than its shape',
      { a: one, b: { ...one, data: new Float32Array(2) } },
      /float32\[1\] with 2 values was found/,
    ],
    ['not by name', undefined, /Inputs are tensors by name; undefined was found\./],
  ])('%s are told by name', async (_, inputs, told) => {
    const program = compiled();
    await expect(program.call(inputs as never)).rejects.toMatchObject({
      code: 'input-mismatch',
      message: expect.stringMatching(told) as string,
    });
    expect((await program.call({ a: one, b: one })).sum.data[0]).toBe(2);
    await program.close();
  });
});
