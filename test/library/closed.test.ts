import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as library from '../../src/index.js';
import * as engine from '../../src/tensorflow/index.js';
import { openAutoencoderSource } from '../../src/weights/autoencoder-source.js';
import { writeAutoencoder } from '../../src/weights/write.js';
import { writeTinyDiffusers } from '../support/tiny-diffusers.js';
import { tinyInception } from '../support/tiny-inception.js';

const {
  Autoencoder,
  Decoder,
  FieldProgram,
  InceptionNetwork,
  SiT,
  float32,
  int32,
  openTrainer,
  sampleOde,
  sampleSde,
} = library;
const { EagerSession, Session, compile, openStore } = engine;

/** What is done with something that was closed, by what it is called. */
const uses = new Map<string, () => unknown>();
let folder: string;

const runtime = { device: 'cpu', threads: 1 } as const;
const vector = (size = 2) => float32([size], new Float32Array(size));
const values = { w: float32([2], Float32Array.of(1, 2)) };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'closed-'));
  await engine.startEngine(runtime);
  await graphs();
  await sessions('Session', () => new Session(runtime));
  await sessions('EagerSession', () => new EagerSession());
  await models();
});

afterAll(() => rm(folder, { recursive: true }));

const tinySizes = {
  hiddenSize: 8,
  depth: 1,
  heads: 2,
  patchSize: 2,
  latentSize: 4,
  classes: 2,
  mediators: 1,
};

/** A graph, its nodes, and what reads them. */
async function graphs(): Promise<void> {
  const session = new Session(runtime);
  const { graph } = session;
  const variable = session.variable('v', [2]);
  const one = graph.scalar(1);
  const sum = graph.add('AddV2', [one, one]);
  const store = new engine.VariableStore(session, [variable]);
  await session.run([], [one]);
  await session.close();
  await session.close();
  for (const [name, use] of Object.entries({
    pointer: () => graph.pointer,
    add: () => graph.add('NoOp', []),
    node: () => graph.node('AddV2', [one, one]),
    constant: () => graph.constant(vector()),
    constantBytes: () => graph.constantBytes(1, [1], Float32Array.of(1)),
    cast: () => graph.cast(one, 'bfloat16'),
    scalar: () => graph.scalar(1),
    placeholder: () => graph.placeholder('float32', [1]),
    dataTypeOf: () => graph.dataTypeOf(one),
    shapeOf: () => graph.shapeOf(one),
    outputs: () => graph.outputs(sum),
    importGraph: () => {
      graph.importGraph(new Uint8Array(0));
    },
    find: () => graph.find('x'),
    inputs: () => graph.inputs(sum),
  }))
    uses.set(`Graph.${name}`, use);
  uses.set('Session.step', () => session.step([], [one]));
  uses.set('Session.region', () =>
    session.region('r', { one }, {}, () => ({ outputs: { one: graph.scalar(1) } })),
  );
  uses.set('Session.run', () => session.run([], [one]));
  uses.set('SessionVariable.read', () => variable.read());
  uses.set('SessionVariable.assign', () => variable.assign(one));
  uses.set('VariableStore.read', () => store.read().next());
  uses.set('VariableStore.write', () => store.write(() => vector()));
  uses.set('VariableStore', () => new engine.VariableStore(session, [variable]));
  uses.set('trace', () =>
    engine.trace(session, ({ x }) => ({ y: x! }), { x: { dtype: 'float32', shape: [2] } }),
  );
}

/** What programs use, compiled or eager. */
async function sessions(name: string, open: () => engine.ProgramSession): Promise<void> {
  const session = open();
  const weights = { w: session.variable('w', [2]) };
  const store = openStore(session, Object.values(weights));
  await store.write(() => values.w);
  const program = compile(({ x }: { x: engine.Tensor }, w) => ({ y: x.add(w.w!) }), { session, weights });
  const bare = compile(({ x }: { x: engine.Tensor }) => ({ y: x.add(1) }), { session });
  const closed = compile(({ x }: { x: engine.Tensor }) => ({ y: x.add(1) }), { session });
  const training: library.TrainerOptions = {
    parameters: [
      { name: 'w', shape: [2], initial: library.sitParameters(library.SiT.configOf(tinySizes))[0]!.initial },
    ],
    inputs: { x: { dtype: 'float32', shape: [2] } },
    loss: ({ x }, { w }) => ({ loss: w!.sub(x!).square().mean() }),
    optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
    averageDecays: [0.9],
    gradientClip: 0,
  };
  const [trainer, fresh] = [openTrainer(session, training), openTrainer(session, training)];
  await trainer.start(() => values.w);
  await trainer.step({ x: vector() }, 0.1, 0);
  await program.call({ x: vector() });
  await closed.close();
  uses.set(name === 'Session' ? 'CompiledProgram.call' : 'EagerProgram.call', () =>
    closed.call({ x: vector() }),
  );
  await session.close();
  await session.close();
  const more = {
    [`${name}.variable`]: () => session.variable('v', [2]),
    [`${name}.mustBeOpen`]: () => {
      if (session instanceof EagerSession) session.mustBeOpen();
      else session.variable('v', [2]);
    },
    [`${name}: openStore`]: () => openStore(session, Object.values(weights)).read().next(),
    [`${name}: compile`]: () =>
      compile(({ x }: { x: engine.Tensor }) => ({ y: x }), { session }).call({ x: vector() }),
    [`${name}: a program of a known shape`]: () => program.call({ x: vector() }),
    [`${name}: a program of a new shape`]: () => program.call({ x: vector(1) }),
    [`${name}: a program without weights`]: () => bare.call({ x: vector() }),
    [`${name}: openTrainer`]: () => openTrainer(session, training),
    [`${name}: trainer.start`]: () => fresh.start(() => values.w),
    [`${name}: trainer.step`]: () => trainer.step({ x: vector() }, 0.1, 1),
    [`${name}: trainer.step, the first`]: () => fresh.step({ x: vector() }, 0.1, 1),
    [`${name}: trainer.read`]: () => trainer.read('weights').next(),
    [`${name}: trainer.write`]: () => trainer.write('weights', () => values.w),
  };
  for (const [use, run] of Object.entries(more)) uses.set(use, run);
  if (!(session instanceof EagerSession)) return;
  const variable = weights.w as engine.EagerVariable;
  uses.set('EagerVariable.value', () => variable.value);
  uses.set('EagerVariable.value, written', () => {
    variable.value = engine.tf.ones([2]);
  });
  uses.set('EagerStore.read', () => store.read().next());
  uses.set('EagerStore.write', () => store.write(() => values.w));
}

async function models(): Promise<void> {
  const config = SiT.configOf(tinySizes);
  const [model, fresh] = [await SiT.create(config, { runtime }), await SiT.create(config, { runtime })];
  const shared = new Session(runtime);
  const guest = await SiT.create(config, { session: shared });
  const drawing = { labels: [0], steps: 3 };
  const call = (of: library.SiT, batch = 1) =>
    of.call(
      float32([batch, 4, 4, 4], new Float32Array(64 * batch)),
      vector(batch),
      int32([batch], new Int32Array(batch)),
    );
  await call(model);
  await sampleSde(model, drawing);
  await sampleSde(guest, drawing);
  const settings: library.SamplerSettings = {
    choice: { kind: 'ode', method: 'euler' },
    steps: 3,
    diffusionNorm: 1,
    order: 2,
    tolerances: { absolute: 1e-3, relative: 1e-3 },
  };
  const { session, weights } = fresh;
  const field = new FieldProgram(
    session,
    { model: { config, transport: fresh.transport, weights } },
    { choices: 1, filled: (samples: number) => samples } as never,
    (of, { labels }) => ({ v: of(engine.tf.zeros([labels.shape[0], 4, 4, 4]), engine.tf.zeros([1])) }),
  );
  const path = library.pathOf({
    session,
    networks: [{ model: { config, transport: fresh.transport, weights } }],
    phases: { switchRatios: [], firstSteps: 1, distance: 'mae' },
    settings,
    mostSamples: 1,
  });
  await Promise.all([model.close(), fresh.close(), guest.close()]);
  const autoencoderFolder = join(folder, 'autoencoder');
  const source = await openAutoencoderSource(await writeTinyDiffusers(join(folder, 'diffusers')));
  await mkdir(autoencoderFolder);
  await writeAutoencoder(source, autoencoderFolder, {
    tell: () => undefined,
    signal: new AbortController().signal,
  });
  await source.close();
  const autoencoder = await Autoencoder.open(autoencoderFolder, runtime);
  await autoencoder.close();
  const inception = await InceptionNetwork.open(tinyInception(), 'tiny', runtime);
  await inception.close();
  const latents = float32([1, 4, 4, 4], new Float32Array(64));
  const labels = int32([1], new Int32Array(1));
  for (const [name, use] of Object.entries({
    'SiT.session': () => model.session,
    'SiT.weights': () => model.weights,
    'SiT.call': () => call(model),
    'SiT.call, of a new batch': () => call(model, 3),
    'SiT.call, never called before': () => call(fresh),
    'SiT.readWeights': () => model.readWeights().next(),
    'SiT.save': () => model.save(join(folder, 'saved')),
    'sampleSde, as before': () => sampleSde(model, drawing),
    'sampleSde, otherwise': () => sampleSde(model, { ...drawing, steps: 4 }),
    'sampleSde, never drawn from before': () => sampleSde(fresh, drawing),
    sampleOde: () => sampleOde(model, drawing),
    'sampleSde, in an open session': () => sampleSde(guest, drawing),
    'SiT.call, in an open session': () => call(guest),
    'SiT.create, in a closed session': () => SiT.create(config, { session }),
    'FieldProgram.call': () => field.call({ labels }, [0, 1]),
    pathOf: () => path({ init: latents, perSample: { labels }, noise: () => Promise.resolve(latents) }),
    'Autoencoder.encode': () => autoencoder.encode(float32([1, 8, 8, 3], new Float32Array(192))),
    'Autoencoder.decode': () => autoencoder.decode(latents),
    'Decoder.decode': () => new Decoder(autoencoder, 1).decode(latents),
    'InceptionNetwork.features': () => inception.features(float32([1, 9, 9, 3], new Float32Array(243))),
    'InceptionNetwork.probabilities': () => inception.probabilities(library.rowsOf(1, new Float32Array(9))),
  }))
    uses.set(name, use);
}

/** Public members that need nothing that could be closed, and those that are private to TypeScript. */
const harmless = [
  ...[
    'Autoencoder.encodingBytes',
    'Autoencoder.computed',
    'Autoencoder.normalization',
    'EagerVariable.dispose',
    'FieldProgram.program',
  ],
  ...[
    'CompiledProgram.traceCount',
    'CompiledProgram.entryFor',
    'CompiledProgram.newEntry',
    'CompiledProgram.run',
  ],
  ...['CompiledProgram.makeRoom', 'CompiledProgram.checkBatchAxes', 'CompiledProgram.forget'],
  ...[
    'Graph.size',
    'Graph.mustBeOpen',
    'Graph.constantOf',
    'Graph.digest',
    'Graph.note',
    'Graph.places',
    'Session.start',
    'Session.compiles',
    'Session.fusesAttention',
    'Session.goWithout',
    'CompiledProgram.sessionFor',
    'Session.free',
    'SiT.mustBeOpen',
    'WorkerServer.config',
  ],
  ...['by', 'step', 'past', 'remember'].map((member) => `MultistepHistory.${member}`),
  ...['add', 'combine', 'result', 'addProducts'].map((member) => `StatisticsAccumulator.${member}`),
];

it('knows every member of what is exported', () => {
  const members = Object.entries({ ...library, ...engine }).flatMap(([name, value]) => {
    const prototype = (value as { prototype?: object } | null)?.prototype;
    if (typeof value !== 'function' || prototype === undefined) return [];
    return Object.getOwnPropertyNames(prototype)
      .filter((member) => !['constructor', 'close', 'dispose'].includes(member))
      .map((member) => `${name}.${member}`);
  });
  const known = [...uses.keys(), ...harmless];
  const unknown = members.filter((member) => !known.some((use) => use.split(/[,:]/)[0] === member));
  expect(unknown).toEqual([]);
});

it('refuses every use of what was closed, with a code', async () => {
  const outcomes = new Map<string, unknown>();
  for (const [name, use] of uses) {
    const code = await Promise.resolve()
      .then(use)
      .then(
        () => 'nothing was wrong',
        (error: unknown) => (error instanceof library.UserError ? error.code : String(error)),
      );
    if (code !== 'closed') outcomes.set(name, code);
  }
  expect(outcomes).toEqual(new Map());
  expect(uses.size).toBeGreaterThan(60);
});
