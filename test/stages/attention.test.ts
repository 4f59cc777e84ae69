import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { sitCost } from '../../src/models/sit/cost.js';
import { divergenceBetweenRows, examineAttention } from '../../src/models/sit/examine.js';
import { initialize } from '../../src/nn/parameters.js';
import { proposalFor, proposals } from '../../src/stages/attention/proposal.js';
import type { Attention } from '../../src/stages/attention/record.js';
import {
  float32,
  floats,
  type HostTensors,
  int32,
  runEagerly,
  sizeOf,
  type Tensor1D,
  type Tensor4D,
} from '../../src/tensorflow/index.js';
import { startPipeline, tinyModel } from '../support/tiny-pipeline.js';

const config: SiTConfig = {
  latentSize: 4,
  channels: 2,
  patchSize: 1,
  hiddenSize: 8,
  depth: 3,
  heads: 2,
  classes: 2,
  mediators: [0, 4, 0],
  labelDropout: 0.1,
};

/** Plain computation in double precision: mean over pairs of different rows of ½ KL(a‖m) + ½ KL(b‖m), m = (a + b) / 2. */
function plainDivergence(rows: readonly (readonly number[])[]): number {
  const kl = (p: readonly number[], q: readonly number[]) =>
    p.reduce((sum, value, i) => (value === 0 ? sum : sum + value * Math.log(value / q[i]!)), 0);
  let [sum, pairs] = [0, 0];
  for (const [i, a] of rows.entries())
    for (const [j, b] of rows.entries()) {
      if (i === j) continue;
      const m = a.map((value, k) => (value + b[k]!) / 2);
      sum += kl(a, m) / 2 + kl(b, m) / 2;
      pairs++;
    }
  return sum / pairs;
}

/** Rows of probabilities, some with zeros. */
const randomRows = (rows: number, keys: number, phase: number): number[][] =>
  Array.from({ length: rows }, (_, i) => {
    const values = Array.from({ length: keys }, (_, j) => Math.max(0, Math.sin(3 * i * j + phase + j) + 0.5));
    const total = values.reduce((a, b) => a + b);
    return values.map((value) => value / total);
  });

describe('the divergence between rows', () => {
  it.each([
    [6, 6],
    [6, 2],
    [9, 3],
  ])('of %i tokens is that of a plain computation, over %i rows', (tokens, most) => {
    const all = [0, 1, 2, 3].map((phase) => randomRows(tokens, tokens, phase));
    const { found } = runEagerly(({ rows }) => ({ found: divergenceBetweenRows(rows!, most) }), {
      rows: float32([2, 2, tokens, tokens], Float32Array.from(all.flat(2))),
    });
    const expected = all.map((rows) => plainDivergence(rows.filter((_, i) => i % (tokens / most) === 0)));
    expect(found).toBeAllclose({ shape: [2, 2], data: expected }, { absolute: 1e-6 });
  });

  it('is 0 where all rows are one, and ln 2 where no two share a key', () => {
    const same = new Float32Array(16).fill(0.25);
    const apart = Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0));
    const { found } = runEagerly(({ rows }) => ({ found: divergenceBetweenRows(rows!) }), {
      rows: float32([2, 1, 4, 4], Float32Array.of(...same, ...apart)),
    });
    expect(found).toBeAllclose({ shape: [2, 1], data: [0, Math.LN2] }, { absolute: 1e-6 });
  });
});

describe.each([
  ['plain blocks', config],
  [
    'rotary positions, gated layers, norms of the root mean square and mixed values',
    { ...config, rope: 4, swiGlu: true, rmsNorm: true, valueResidual: true },
  ],
])('the examination of a model with %s', (_, config) => {
  const samples = 2;
  const examined = (change: (name: string, i: number) => number | undefined) => {
    const start = initialize(sitParameters(config), 3);
    const weights: HostTensors = Object.fromEntries(
      sitParameters(config).map(({ name, shape }, k) => [
        name,
        float32(
          shape,
          Float32Array.from(
            { length: sizeOf(shape) },
            (_, i) => change(name, i) ?? floats(start[name]!)[i]! + 0.1 * Math.sin(5 * i + k),
          ),
        ),
      ]),
    );
    return runEagerly(
      ({ x, t, y, ...w }) =>
        examineAttention(w, config, { x: x as Tensor4D, t: t as Tensor1D, y: y as Tensor1D }, [1, 4, 16]),
      {
        x: float32(
          [samples, 4, 4, 2],
          Float32Array.from({ length: samples * 32 }, (_, i) => Math.sin(i)),
        ),
        t: float32([samples], Float32Array.of(0.2, 0.7)),
        y: int32([samples], Int32Array.of(0, 1)),
        ...weights,
      },
    );
  };

  it('is of the blocks with full attention, which more mediators move less', () => {
    const { divergence, output, moved } = examined(() => undefined);
    expect([divergence.shape, output.shape, moved.shape]).toEqual([[2], [2], [2, 3]]);
    for (const value of floats(divergence)) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(samples * Math.LN2);
    }
    for (const block of [0, 1]) {
      const [one, , all] = floats(moved).subarray(3 * block, 3 * block + 3);
      expect(one).toBeGreaterThan(all!);
      expect(all).toBeGreaterThan(0);
    }
  });

  it('finds nothing where keys say nothing: all rows are even, and mediators change nothing', () => {
    const isKey = (name: string, i: number) => name.includes('.qkv.') && Math.floor((i % 24) / 8) === 1;
    const { divergence, output, moved } = examined((name, i) => (isKey(name, i) ? 0 : undefined));
    // Differences of entropies of a few nats, in single precision, summed over two samples.
    expect(divergence).toBeAllclose([0, 0], { absolute: 5e-6 });
    for (const [i, value] of floats(moved).entries())
      expect(value / floats(output)[Math.floor(i / 3)]!).toBeLessThan(1e-10);
  });
});

describe('the proposal', () => {
  const model: SiTConfig = { ...config, latentSize: 8, depth: 4, mediators: [0, 0, 9, 0] };
  const counts = [1, 4, 16];
  const moved = [
    [0.9, 0.5, 0.1],
    [0.2, 0.1, 0.05],
    [0.6, 0.55, 0.5],
  ];
  /** Every choice there is. */
  const every = [0, 1, 2, 3].flatMap((a) =>
    [0, 1, 2, 3].flatMap((b) =>
      [0, 1, 2, 3].map((c) => {
        const of = (k: number) => [0, ...counts][k]!;
        const mediators = [of(a), of(b), 9, of(c)];
        const squares = [a, b, c].map((k, i) => (k === 0 ? 0 : moved[i]![k - 1]! ** 2));
        const whole = sitCost(model).multiplyAccumulates;
        return {
          mediators,
          saved: 1 - sitCost({ ...model, mediators }).multiplyAccumulates / whole,
          moved: Math.sqrt(squares.reduce((x, y) => x + y)),
        };
      }),
    ),
  );

  it.each([0.01, 0.05, 0.1, 0.15, 0.18])(
    'for a saving of %f moves least of all choices that save so much',
    (saving) => {
      const enough = every.filter(({ saved }) => saved >= saving);
      const best = enough.reduce((a, b) => (b.moved < a.moved ? b : a));
      const found = proposalFor(proposals(model, counts, moved), saving);
      expect(found.saved).toBeGreaterThanOrEqual(saving);
      expect(found.moved).toBeCloseTo(best.moved, 12);
      expect(found.saved).toBeCloseTo(
        every.find(({ mediators }) => String(mediators) === String(found.mediators))!.saved,
        12,
      );
    },
  );

  it('is what saves most where nothing saves enough, and saves half of that by default', () => {
    const frontier = proposals(model, counts, moved);
    const most = Math.max(...every.map(({ saved }) => saved));
    expect(proposalFor(frontier, 0.9).saved).toBeCloseTo(most, 12);
    expect(proposalFor(frontier, undefined).saved).toBeGreaterThanOrEqual(most / 2);
    expect(frontier[0]).toEqual({ mediators: model.mediators, saved: 0, moved: 0 });
  });
});

describe('the stage', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await tinyModel();
    await writeFile(
      join(folder, 'attention.yaml'),
      `name: attention
seed: 3
runtime: { device: cpu, threads: 1 }
stages:
  full: { uses: pretrained, path: model }
  attention: { uses: attention, model: full, mediators: [4, 1, 64], saving: 0.02, count: 3, times: 2, steps: 2 }
  report: { uses: report, stages: [attention] }
`,
    );
  }, 240_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('records, proposes and draws what it measured', async () => {
    const planned = await startPipeline(folder, ['plan', 'attention.yaml']);
    expect(planned.exitCode, planned.stderr).toBe(0);
    const ran = await startPipeline(folder, ['run', 'attention.yaml']);
    expect(ran.exitCode, ran.stderr + ran.stdout).toBe(0);
    const output = (stage: string, file: string) =>
      readFile(join(folder, 'runs', 'attention', 'latest', stage, file), 'utf8');
    const found = JSON.parse(await output('attention', 'attention.json')) as Attention;
    expect(found).toMatchObject({ samples: 3, tokens: 16, rows: 16, times: [0.25, 0.75], counts: [1, 4] });
    // Block 0 has mediators already.
    expect(found.blocks.map(({ block }) => block)).toEqual([1]);
    expect(found.blocks[0]!.divergence).toHaveLength(2);
    expect(found.blocks[0]!.moved).toHaveLength(2);
    expect(found.proposal.mediators[0]).toBe(4);
    expect(ran.stdout).toContain(`Proposes \`mediators: [${found.proposal.mediators.join(', ')}]\``);
    const html = await output('report', 'report.html');
    expect(html).toContain('Attention, block by block');
    expect(html).toContain('t = 0.25');
    expect(html).toContain(`<strong>${found.proposal.mediators.join(', ')}</strong> (proposed)`);
    const again = await startPipeline(folder, ['plan', 'attention.yaml', '--force', 'attention']);
    expect(again.stdout).toContain('blocks: 1 with full attention, mediators 1, 4');
  }, 120_000);

  it.each([
    ['mediators: [4, 1, 64]', 'mediators: [64]', 'None of the counts 64 saves anything: full has 16 tokens.'],
    ['mediators: [4, 1, 64]', 'mediators: [5]', 'must be a perfect square'],
  ])(
    'is refused before it runs: %s → %s',
    async (from, to, message) => {
      const text = await readFile(join(folder, 'attention.yaml'), 'utf8');
      await writeFile(join(folder, 'refused.yaml'), text.replace(from, to));
      const { exitCode, stderr, stdout } = await startPipeline(folder, ['plan', 'refused.yaml']);
      expect(exitCode).not.toBe(0);
      expect((stderr + stdout).replaceAll(/\s+/g, ' ')).toContain(message);
    },
    60_000,
  );
});
