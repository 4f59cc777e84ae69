import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { libraryFacts } from '../../../src/tensorflow/install/facts.js';
import { locateLibrary } from '../../../src/tensorflow/install/locate.js';
import { pinnedRelease } from '../../../src/tensorflow/install/pinned-release.js';
import { setupLibrary } from '../../../src/tensorflow/install/setup.js';
import { Sandbox } from './support/sandbox.js';
import { cpuWheel, nvidiaWheel } from './support/tiny-release.js';
import { toldOfDamage } from '../../support/told-of-damage.js';

let sandbox: Sandbox;

beforeEach(() => {
  sandbox = new Sandbox();
  const wheels = join(sandbox.folder, 'wheels');
  mkdirSync(wheels);
  for (const { pin, body } of [cpuWheel, nvidiaWheel]) writeFileSync(join(wheels, pin.filename), body);
});

afterEach(() => {
  sandbox.remove();
});

function options(more: NodeJS.ProcessEnv = {}) {
  return sandbox.options({ PIPELINE_WHEELS: join(sandbox.folder, 'wheels'), PIP_NO_INDEX: '1', ...more });
}

it('finds nothing in an empty cache', () => {
  expect(locateLibrary(options())).toBeUndefined();
});

it('takes less than five milliseconds', async () => {
  await setupLibrary(options());
  const start = performance.now();
  for (let i = 0; i < 20; i++) locateLibrary(options());
  expect((performance.now() - start) / 20).toBeLessThan(5);
});

it.each(['manifest.json', 'tensorflow/libtensorflow_cc.so.2'])(
  'does not find it without %s',
  async (file) => {
    const { directory } = await setupLibrary(options());
    rmSync(join(directory, file));
    expect(locateLibrary(options())).toBeUndefined();
  },
);

it.each([
  ['cut short', (text: string) => text.slice(0, 20)],
  ['changed in a byte', (text: string) => text.replace('"bytes": ', '"bytes": 1')],
  ['null', () => 'null'],
  ['empty', () => ''],
])('does not find it when the manifest is %s, and says so', async (_, change) => {
  const { directory } = await setupLibrary(options());
  const path = join(directory, 'manifest.json');
  writeFileSync(path, change(readFileSync(path, 'utf8')));
  const { result, told } = await toldOfDamage(() => locateLibrary(options()));
  expect(result).toBeUndefined();
  expect(told).toEqual([expect.stringContaining(`${path} is damaged`)]);
});

describe('device', () => {
  it('gpu is not served by the CPU build', async () => {
    await setupLibrary(options());
    expect(locateLibrary(options({ PIPELINE_DEVICE: 'gpu' }))).toBeUndefined();
  });

  it('cpu is served by the CUDA build', async () => {
    await setupLibrary(options({ PIPELINE_DEVICE: 'gpu' }));
    expect(locateLibrary(options({ PIPELINE_DEVICE: 'cpu' }))?.build).toBe('cuda');
  });

  it('auto takes the CUDA build where a driver is', async () => {
    await setupLibrary(options({ PIPELINE_DEVICE: 'cpu' }));
    const location = await setupLibrary({ ...options({ PIPELINE_DEVICE: 'auto', ...withDriver() }) });
    expect(location.build).toBe('cuda');
  });

  it('is remembered from an earlier set-up', async () => {
    mkdirSync(sandbox.cache, { recursive: true });
    writeFileSync(join(sandbox.cache, 'device'), 'cpu\n');
    const location = await setupLibrary(options({ PIPELINE_DEVICE: '', ...withDriver() }));
    expect(location.build).toBe('cpu');
  });

  it('that was remembered and is damaged is told of', async () => {
    mkdirSync(sandbox.cache, { recursive: true });
    const path = join(sandbox.cache, 'device');
    writeFileSync(path, 'cpv\n');
    const { told } = await toldOfDamage(() => locateLibrary(options({ PIPELINE_DEVICE: '' })));
    expect(told).toEqual([expect.stringContaining(`${path} is damaged (it names no device)`)]);
  });

  it('is refused when nobody knows it', () => {
    expect(() => locateLibrary(options({ PIPELINE_DEVICE: 'tpu' }))).toThrow(
      'PIPELINE_DEVICE is "tpu": expected auto, cpu or gpu.',
    );
  });
});

describe('PIPELINE_TENSORFLOW', () => {
  it('is taken before the cache', async () => {
    const { directory } = await setupLibrary(options());
    const own = join(directory, 'tensorflow');
    const location = locateLibrary(options({ PIPELINE_TENSORFLOW: own, PIPELINE_CACHE: '/nowhere' }));
    expect(location).toMatchObject({ directory: own, version: '0.0.1', build: 'cpu' });
  });

  it('is refused where a library of it is cut short, before it is loaded', () => {
    const folder = join(sandbox.folder, 'own');
    mkdirSync(folder);
    // An ELF header that tells of three sections of 64 bytes each, from byte 1000 on.
    const whole = Buffer.alloc(1000 + 3 * 64);
    whole.write('\x7fELF', 'latin1');
    whole.writeBigUInt64LE(1000n, 0x28);
    whole.writeUInt16LE(64, 0x3a);
    whole.writeUInt16LE(3, 0x3c);
    writeFileSync(join(folder, 'libtensorflow_framework.so.2'), whole);
    writeFileSync(join(folder, 'libtensorflow_cc.so.2'), whole);
    const locate = () => locateLibrary({ env: { PIPELINE_TENSORFLOW: folder } });
    expect(locate()?.directory).toBe(folder);
    for (const bytes of [whole.length - 1, whole.length >> 1, 40, 4]) {
      writeFileSync(join(folder, 'libtensorflow_cc.so.2'), whole.subarray(0, bytes));
      expect(locate).toThrow(
        expect.objectContaining({
          code: 'tensorflow-damaged',
          message: expect.stringContaining('libtensorflow_cc.so.2 is cut short') as string,
        }),
      );
    }
  });

  it('names a folder that has both libraries, or is refused', () => {
    expect(() => locateLibrary(options({ PIPELINE_TENSORFLOW: sandbox.folder }))).toThrow(
      /^PIPELINE_TENSORFLOW names .* which has no libtensorflow_cc.* and no libtensorflow_framework/,
    );
  });
});

describe('facts', () => {
  it('say what is missing and what mends it', () => {
    const facts = libraryFacts(options());
    expect(facts.found).toBeUndefined();
    expect(facts.problems).toEqual([
      {
        message: `The native TensorFlow library is not set up in ${sandbox.cache}.`,
        remedy: expect.stringContaining('`npm run setup`') as string,
      },
    ]);
  });

  it('say what is there', async () => {
    await setupLibrary(options());
    const facts = libraryFacts(options());
    expect(facts.problems).toEqual([]);
    expect(facts.found).toMatchObject({ version: '0.0.1', build: 'cpu', bytes: 3_050_000 });
  });

  it('turn a bad setting into a problem', () => {
    expect(libraryFacts(options({ PIPELINE_DEVICE: 'tpu' })).problems).toHaveLength(1);
  });
});

it('pins wheels whose names agree with their versions and hashes that differ', () => {
  const wheels = pinnedRelease.builds.flatMap(({ wheels: each }) => each);
  for (const wheel of wheels) {
    expect(wheel.filename.startsWith(`${wheel.package.replaceAll('-', '_')}-${wheel.version}-`)).toBe(true);
    expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
  }
  expect(new Set(wheels.map(({ sha256 }) => sha256)).size).toBe(wheels.length);
});

/** An environment in which a driver is found. */
function withDriver(): NodeJS.ProcessEnv {
  const folder = join(sandbox.folder, 'driver');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'libcuda.so.1'), '');
  return { LD_LIBRARY_PATH: folder };
}
