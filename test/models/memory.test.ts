import { describe, expect, it } from 'vitest';
import { trainingBytes } from '../../src/models/autoencoder-kl/memory.js';
import type { SiTConfig } from '../../src/models/sit/config.js';
import { sitCost } from '../../src/models/sit/cost.js';
import {
  biasNumbers,
  type DecodingCost,
  passNumbers,
  type SamplingChoice,
  samplingMemory,
  trainingMemory,
} from '../../src/models/sit/memory.js';
import { small } from './sit/small.js';

describe('memory of a training', () => {
  const model = (hiddenSize: number, depth: number, heads: number, mediators: number): SiTConfig => ({
    ...small(0),
    ...{ hiddenSize, depth, heads, classes: 3, mediators: new Array<number>(depth).fill(mediators) },
  });

  // Peaks of `pipeline run pipelines/imagenet-256.yaml` with these models, three steps each, from latents: megabytes.
  it.each([
    { of: model(64, 2, 2, 4), batch: 4, recompute: false, peak: 590 },
    { of: model(192, 6, 4, 4), batch: 8, recompute: false, peak: 915 },
    { of: model(384, 12, 6, 64), batch: 2, recompute: false, peak: 1690 },
    { of: model(384, 12, 6, 64), batch: 8, recompute: false, peak: 2187 },
    { of: model(384, 12, 6, 64), batch: 8, recompute: true, peak: 1806 },
    { of: model(768, 12, 12, 64), batch: 2, recompute: false, peak: 3888 },
  ])('is expected as it was measured: $peak MB', ({ of, batch, recompute, peak }) => {
    const expected = trainingMemory(of, { batch, averages: 1, recompute }) / 1e6;
    // Two runs of the same differ by 2 to 4 %.
    expect(Math.abs(expected / peak - 1)).toBeLessThan(0.06);
  });
});

describe('memory of a sampling', () => {
  // 16 tokens of 8 numbers, two heads, two blocks: one with 4 mediators, one with full attention.
  const hand: SiTConfig = {
    ...{ latentSize: 8, channels: 4, patchSize: 2, hiddenSize: 8, depth: 2, heads: 2, classes: 3 },
    ...{ mediators: [4, 0], labelDropout: 0.1 },
  };

  it('holds what a block needs at once, counted by hand', () => {
    // Full attention, for 3 samples: 8 numbers a channel of 3 · 16 · 8, and 2 tables of 16 · 16 a sample.
    expect(passNumbers(hand, 3)).toBe(8 * 384 + 3 * 2 * 256);
    // Through mediators alone: input, norm and twice four times the width, as 2 tables of 16 · 4 are less than 2 widths.
    expect(passNumbers({ ...hand, mediators: [4, 4], hiddenSize: 16 }, 1)).toBe(10 * 16 * 16);
    // The first block's values, where others mix theirs with them.
    expect(passNumbers({ ...hand, valueResidual: true }, 3)).toBe(9 * 384 + 3 * 2 * 256);
    // From 4 mediators to 16 tokens and back, for two heads, of one block.
    expect(biasNumbers(hand)).toBe(2 * 2 * 4 * 16);
  });

  it('holds no more scores of full attention than are computed at a time', () => {
    const large = { ...small(0), latentSize: 256 };
    const tokens = 128 ** 2;
    // 6 tables of 16384 · 16384 scores in 48 or more chunks; the least power of two is 64.
    expect(passNumbers(large, 1) - 8 * tokens * 384).toBe((6 * tokens ** 2) / 64);
  });

  const alone = (model: SiTConfig, batch: number): SamplingChoice => ({
    models: [{ model }],
    ...{ batch, guided: false, gradients: false, features: 0 },
  });
  const nothing: DecodingCost = { parameters: 0, bytes: 0, whileDrawing: false };

  const of = (hiddenSize: number, depth: number, heads: number, latentSize: number, mediators: number) => ({
    ...small(0),
    ...{ hiddenSize, depth, heads, latentSize, mediators: new Array<number>(depth).fill(mediators) },
  });
  const tiny = of(64, 2, 2, 8, 4);
  const [base, xl, xlAt1024] = [of(768, 12, 12, 32, 64), of(1152, 28, 16, 32, 64), of(1152, 28, 16, 128, 64)];
  const phases = [small(4), small(16), small(64)].map((model) => ({ model }));
  // Stable Diffusion's autoencoder has 83,653,863 parameters; four pictures of 256 px at once, seven, and a tile.
  const decoding = (bytes: number) => ({ parameters: 83_653_863, bytes, whileDrawing: false });

  // An autoencoder of 8 channels: two tables of 1024 · 1024 for each of 16 pictures.
  const tables = { ...decoding(16 * 2 * 4 * 1024 ** 2), parameters: 0 };

  // Megabytes, each in a process of its own that drew one batch of these from random weights.
  it.each<{ peak: number; choice: SamplingChoice; decoding?: DecodingCost }>([
    { peak: 485, choice: alone(tiny, 4) },
    { peak: 935, choice: alone(small(64), 4) },
    { peak: 1178, choice: { ...alone(small(64), 16), guided: true } },
    { peak: 1553, choice: alone(small(64), 64), decoding: tables },
    { peak: 1758, choice: { ...alone(small(64), 64), guided: true }, decoding: tables },
    { peak: 1095, choice: { ...alone(small(0), 16), guided: true }, decoding: tables },
    { peak: 1484, choice: { ...alone(small(64), 16), models: phases } },
    { peak: 974, choice: { ...alone(small(64), 8), features: 2 } },
    { peak: 1414, choice: alone(base, 4) },
    { peak: 3757, choice: { ...alone(xl, 2), guided: true } },
    { peak: 2097, choice: alone(small(64), 4), decoding: decoding(1.08e9) },
    { peak: 3122, choice: { ...alone(small(64), 16), guided: true }, decoding: decoding(1.89e9) },
    { peak: 7090, choice: alone(xlAt1024, 1), decoding: decoding(2.11e9) },
  ])('is expected as it was measured: $peak MB', ({ peak, choice, decoding = nothing }) => {
    const expected = samplingMemory(choice, decoding) / 1e6;
    expect(expected / peak).toBeGreaterThan(0.93);
    expect(expected / peak).toBeLessThan(1.16);
  });

  it('adds what each choice needs', () => {
    const model = small(64);
    const usual = samplingMemory(alone(model, 16), nothing);
    const more = (changes: Partial<SamplingChoice>, decoding: Partial<DecodingCost> = {}) =>
      samplingMemory({ ...alone(model, 16), ...changes }, { ...nothing, ...decoding }) - usual;
    const guided = more({ guided: true });
    expect(guided).toBeCloseTo(more({ batch: 32 }), 0);
    expect(guided).toBeGreaterThan(50e6);
    // Another phase has weights and graphs of its own, and computes in the same room.
    const weights = 4 * sitCost(model).parameters;
    const phase = more({ models: [{ model }, { model }] });
    expect(phase).toBeGreaterThan(weights);
    expect(phase).toBeLessThan(weights + 150e6);
    // A weaker model has both, and its biases beside the other's.
    const weaker = phase + guided + 4 * biasNumbers(model);
    expect(more({ guided: true, models: [{ model, base: model }] })).toBeCloseTo(weaker, 0);
    // One feature of 256 · 384 numbers a sample, five times.
    expect(more({ features: 1 })).toBeCloseTo(5 * 16 * 256 * 384 * 4, 0);
    expect(more({ gradients: true })).toBeGreaterThan(4 * 16 * sitCost(model).activations);
    // Decoding by turns uses some of the room again; beside the next samples it cannot.
    expect(more({}, { bytes: 2e9, whileDrawing: true })).toBeCloseTo(2e9, 0);
    expect(more({}, { bytes: 2e9 })).toBeLessThan(2e9);
  });
});

describe("memory of an autoencoder's training", () => {
  // Peaks of `pipeline run` with the quickstart's keys, these and four steps: megabytes.
  it.each([
    { size: 32, channels: [48, 64], batch: 16, peak: 671 },
    { size: 64, channels: [48, 64], batch: 16, peak: 866 },
    { size: 64, channels: [48, 64], batch: 64, peak: 1544 },
    { size: 64, channels: [128, 256], batch: 8, peak: 1162 },
    { size: 128, channels: [64, 128, 128], batch: 8, peak: 2579 },
  ])('is expected as it was measured: $peak MB', ({ size, channels, batch, peak }) => {
    const config = {
      ...{ imageChannels: 3, latentChannels: 4, layersPerBlock: 1, normGroups: 8 },
      ...{ channels, patchSize: 4 / 2 ** (channels.length - 1) },
    } as const;
    expect(Math.abs(trainingBytes(config, size, batch) / 1e6 / peak - 1)).toBeLessThan(0.08);
  });
});
