import { beforeAll, describe, expect, it } from 'vitest';
import {
  computeFrechetDistance,
  frechetDistance,
  frechetDistanceError,
  inceptionScore,
  precisionRecall,
  rowsOf,
  computeStatistics,
  StatisticsAccumulator,
  statisticsOf,
  storedClassAgreement,
  storedPrecisionRecall,
  storedKernelDistance,
  type StoredRows,
  symmetricEigenvalues,
} from '../../src/metrics/index.js';
import { shuffledOrder } from '../../src/data/sample-order.js';
import { nativeBackend, startEngine } from '../../src/tensorflow/index.js';
import { metricsKind } from '../../tools/parity/kinds/metrics.js';
import { readFixture } from '../../tools/parity/fixture.js';
import { describeFixture } from '../support/fixture-checks.js';

await describeFixture(metricsKind, 'metrics.safetensors');

/** Numbers in [-1, 1) that look random but are fixed. */
function numbers(count: number, seed = 1): Float64Array {
  let state = seed;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

it.each([NaN, Infinity])('features of %f are refused, as every figure of them would be NaN', (value) => {
  expect(() => rowsOf(2, Float32Array.of(0, 1, 2, value))).toThrow(
    expect.objectContaining({
      code: 'features-not-finite',
      message: expect.stringMatching(/^Row 1 /) as string,
    }),
  );
});

describe('symmetricEigenvalues', () => {
  it('knows those of the second difference', () => {
    const size = 40;
    const data = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      data[i * size + i] = 2;
      if (i > 0) data[i * size + i - 1] = data[(i - 1) * size + i] = -1;
    }
    const expected = Array.from(
      { length: size },
      (_, k) => 2 - 2 * Math.cos((Math.PI * (k + 1)) / (size + 1)),
    );
    expect(symmetricEigenvalues({ size, data })).toBeAllclose(expected, { absolute: 1e-13 });
  });

  it('knows those of QᵀDQ, repeated and zero ones among them', () => {
    const size = 30;
    const wanted = Float64Array.from({ length: size }, (_, i) => (i < 5 ? 0 : i < 12 ? 3 : i * 1.5)).sort();
    // Q reflects at a vector: 1 - 2vvᵀ/vᵀv.
    const v = numbers(size);
    const square = v.reduce((sum, x) => sum + x * x, 0);
    const q = (i: number, j: number) => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / square;
    const data = Float64Array.from({ length: size * size }, (_, at) => {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += q(Math.floor(at / size), k) * wanted[k]! * q(k, at % size);
      return sum;
    });
    expect(symmetricEigenvalues({ size, data })).toBeAllclose(wanted, { absolute: 1e-12 });
  });

  it('has edge cases', () => {
    expect(symmetricEigenvalues({ size: 1, data: Float64Array.of(7) })).toEqual(Float64Array.of(7));
    expect(symmetricEigenvalues({ size: 2, data: Float64Array.of(0, 1, 1, 0) })).toBeAllclose([-1, 1]);
    expect(symmetricEigenvalues({ size: 3, data: new Float64Array(9) })).toEqual(new Float64Array(3));
    expect(() => symmetricEigenvalues({ size: 3, data: new Float64Array(9).fill(NaN) })).toThrow('NaN');
  });
});

describe('statistics', () => {
  const width = 5;
  // A large mean, which one pass of sums of squares would drown in.
  const data = numbers(60 * width).map((value, i) => value + 1e6 * ((i % width) + 1));

  it('are those of the definition', () => {
    const { count, mean, covariance } = statisticsOf(rowsOf(width, data));
    expect(count).toBe(60);
    for (let i = 0; i < width; i++) {
      const column = (k: number) => Array.from({ length: 60 }, (_, row) => data[row * width + k]!);
      const average = (values: number[]) => values.reduce((sum, value) => sum + value / values.length, 0);
      expect(mean[i]).toBeAllclose(average(column(i)), { relative: 1e-14 });
      for (let j = 0; j < width; j++) {
        const [mi, mj] = [average(column(i)), average(column(j))];
        const products = column(i).map((value, row) => (value - mi) * (column(j)[row]! - mj));
        expect(covariance.data[i * width + j]).toBeAllclose((average(products) * 60) / 59, {
          absolute: 1e-8,
        });
      }
    }
  });

  it('are the same in portions', () => {
    const accumulator = new StatisticsAccumulator(width);
    for (const [from, to] of [
      [0, 1],
      [1, 1],
      [1, 18],
      [18, 60],
    ] as const)
      accumulator.add(rowsOf(width, data.subarray(from * width, to * width)));
    const whole = statisticsOf(rowsOf(width, data));
    const parts = accumulator.result();
    expect(parts.mean).toBeAllclose(whole.mean, { relative: 1e-14 });
    expect(parts.covariance.data).toBeAllclose(whole.covariance.data, { absolute: 1e-8 });
  });

  it.each([
    ['some portions', 9000, 37],
    ['one portion', 300, 37],
    ['fewer columns than blocks', 40, 3],
  ])('are the same in TensorFlow, of rows that are read in %s', async (_, count, columns) => {
    nativeBackend();
    const all = Float32Array.from(numbers(count * columns, 5), (value, i) => value + 100 * (i % columns));
    const read = (first: number, rows: number) =>
      Promise.resolve(all.slice(first * columns, (first + rows) * columns));
    const found = await computeStatistics({ count, width: columns, read });
    const expected = statisticsOf(rowsOf(columns, all));
    expect(found.count).toBe(count);
    expect(found.mean).toBeAllclose(expected.mean, { relative: 1e-12 });
    expect(found.covariance.data).toBeAllclose(expected.covariance.data, { absolute: 1e-11 });
  });

  it('leave the event loop to others', async () => {
    nativeBackend();
    const columns = 2048;
    const rows = Float32Array.from(numbers(4096 * columns, 3));
    const read = (_: number, count: number) => Promise.resolve(rows.subarray(0, count * columns));
    const share = async (count: number): Promise<number> => {
      const before = performance.eventLoopUtilization();
      await computeStatistics({ count, width: columns, read });
      return performance.eventLoopUtilization(before).utilization;
    };
    // 0.03 to 0.1 for what is copied to TensorFlow, 0.16 to 0.45 where JavaScript adds the sums. Other programs slow both;
    // the least of some tries has least of them.
    const shares: number[] = [];
    while (shares.length < 4 && !shares.some((value) => value < 0.13)) shares.push(await share(9000));
    expect(Math.min(...shares)).toBeLessThan(0.13);
  });

  it('end with the signal while a portion is summed', async () => {
    nativeBackend();
    const [count, columns] = [16_384, 1024];
    const read = (_: number, rows: number) => Promise.resolve(new Float32Array(rows * columns).fill(1));
    const controller = new AbortController();
    const statistics = computeStatistics({ count, width: columns, read }, {}, controller.signal);
    setTimeout(() => {
      controller.abort(new DOMException('stop', 'AbortError'));
    }, 20);
    await expect(statistics).rejects.toThrow('stop');
  });

  it('need two rows of one width', () => {
    expect(() => statisticsOf(rowsOf(width, data.subarray(0, width)))).toThrow('at least 2 rows, found 1');
    expect(() => {
      new StatisticsAccumulator(4).add(rowsOf(width, data));
    }).toThrow('4 numbers, found 5');
    expect(() => rowsOf(7, data)).toThrow('no rows of 7');
  });
});

describe('frechetDistance', () => {
  const diagonal = (mean: number[], variances: number[]) => ({
    count: 100,
    mean: Float64Array.from(mean),
    covariance: {
      size: variances.length,
      data: Float64Array.from({ length: variances.length ** 2 }, (_, i) =>
        i % (variances.length + 1) === 0 ? variances[i / (variances.length + 1)]! : 0,
      ),
    },
  });

  it('adds up differences of means and deviations where covariances commute', () => {
    const a = diagonal([0, 1, 2], [4, 9, 0]);
    const b = diagonal([1, 1, 0], [1, 25, 16]);
    expect(frechetDistance(a, b)).toBeCloseTo(1 + 4 + (1 + 4 + 16), 10);
    expect(frechetDistance(a, a)).toBeCloseTo(0, 10);
  });

  it('is symmetric, and near 0 for one set with itself, also of fewer samples than features', () => {
    const width = 30;
    const a = statisticsOf(rowsOf(width, numbers(12 * width, 3)));
    const b = statisticsOf(rowsOf(width, numbers(20 * width, 4)));
    expect(frechetDistance(a, b)).toBeAllclose(frechetDistance(b, a), { relative: 1e-6 });
    expect(frechetDistance(a, b)).toBeGreaterThan(1);
    expect(frechetDistance(a, a)).toBeAllclose(0, { absolute: 1e-6 });
  });

  describe('in TensorFlow', () => {
    const set = (width: number, count: number, seed: number) =>
      statisticsOf(rowsOf(width, numbers(count * width, seed)));

    it.each([
      ['both of full rank', 100, 90],
      ['the first of fewer samples than features', 12, 90],
      ['the second of fewer samples than features', 100, 12],
      ['both of fewer samples than features', 12, 20],
    ])('is what JavaScript computes: %s', async (_, first, second) => {
      nativeBackend();
      const [a, b] = [set(30, first, 3), set(30, second, 4)];
      const expected = frechetDistance(a, b);
      // At most 30 eigenvalues that are 0 are off by rounding, 1e-16 of the largest, which is about 1: their roots by 1e-8.
      const rounding = { absolute: 2 * 30 * 1e-8 };
      expect(await computeFrechetDistance(a, b)).toBeAllclose(expected, rounding);
      const [unknownA, unknownB] = [a, b].map((known) => ({ ...known, count: 0 }));
      expect(await computeFrechetDistance(unknownA!, unknownB!)).toBeAllclose(expected, rounding);
      expect(await computeFrechetDistance(a, a)).toBeAllclose(0, { absolute: 1e-6 });
    });

    it('has its closed form where covariances commute', async () => {
      nativeBackend();
      const a = diagonal([0, 1, 2], [4, 9, 0]);
      const b = diagonal([1, 1, 0], [1, 25, 16]);
      expect(await computeFrechetDistance(a, b)).toBeCloseTo(1 + 4 + (1 + 4 + 16), 10);
      await expect(computeFrechetDistance(a, diagonal([0], [1]))).rejects.toThrow('Features of 3 and of 1');
    });

    it('leaves the event loop free, and is given up at once when it is no longer wanted', async () => {
      nativeBackend();
      const [a, b] = [set(700, 800, 5), set(700, 900, 6)];
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      const started = performance.now();
      await computeFrechetDistance(a, b);
      const wholeMs = performance.now() - started;
      clearInterval(timer);
      // In JavaScript there would be none; each takes a millisecond and what other processes leave of it.
      expect(turns).toBeGreaterThan(10);
      const controller = new AbortController();
      const computing = computeFrechetDistance(a, b, {}, controller.signal);
      setTimeout(() => {
        controller.abort();
      }, 1);
      const aborted = performance.now();
      await expect(computing).rejects.toMatchObject({ name: 'AbortError' });
      expect(performance.now() - aborted).toBeLessThan(wholeMs / 2);
    });
  });
});

describe('frechetDistanceError', () => {
  const [width, count] = [12, 20];
  /** Independent normal numbers with deviations that grow with the column. */
  const drawn = (seed: number, rows = count) => {
    const uniform = numbers(2 * rows * width, seed);
    const normal = Float32Array.from(
      { length: rows * width },
      (_, i) =>
        Math.sqrt(-2 * Math.log((1 + uniform[2 * i]!) / 2 + 1e-9)) *
        Math.cos(Math.PI * uniform[2 * i + 1]!) *
        (0.5 + (i % width) / width),
    );
    return rowsOf(width, normal);
  };
  const stored = (rows: ReturnType<typeof drawn>): StoredRows => ({
    count: rows.count,
    width,
    read: (first, n) =>
      Promise.resolve((rows.data as Float32Array).slice(first * width, (first + n) * width)),
  });
  const reference = statisticsOf(drawn(99, 400));

  it('is the deviation of the distance over halves, each computed by itself', async () => {
    await startEngine({ device: 'cpu', threads: 1 });
    const rows = drawn(5);
    const order = shuffledOrder(0, count);
    const distances = Array.from({ length: 16 }, (_, half) => {
      const own = Array.from({ length: count / 2 }, (_, i) => order.at(half * count + i).index);
      const data = own.flatMap((row) => [...rows.data.subarray(row * width, (row + 1) * width)]);
      return frechetDistance(statisticsOf(rowsOf(width, Float32Array.from(data))), reference);
    });
    const mean = distances.reduce((a, b) => a + b) / 16;
    const deviation = Math.sqrt(distances.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 15);
    const found = await frechetDistanceError(stored(rows), reference, { device: 'cpu', threads: 1 });
    expect(Math.abs(found! / deviation - 1)).toBeLessThan(1e-6);
  });

  it('is about the deviation over other draws of as many samples', async () => {
    const seeds = Array.from({ length: 40 }, (_, i) => 1000 + 7 * i);
    const distances = seeds.map((seed) => frechetDistance(statisticsOf(drawn(seed)), reference));
    const mean = distances.reduce((a, b) => a + b) / seeds.length;
    const deviation = Math.sqrt(
      distances.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (seeds.length - 1),
    );
    const errors: number[] = [];
    for (const seed of seeds.slice(0, 10))
      errors.push(
        (await frechetDistanceError(stored(drawn(seed)), reference, { device: 'cpu', threads: 1 }))!,
      );
    const usual = errors.reduce((a, b) => a + b) / errors.length;
    // A deviation of 40 draws is known to a ninth; halves of 20 rows have more of the curvature than all have.
    expect(usual / deviation).toBeGreaterThan(0.6);
    expect(usual / deviation).toBeLessThan(1.8);
  });

  it('is not given for three rows, nor for many', async () => {
    expect(await frechetDistanceError(stored(drawn(1, 3)), reference)).toBeUndefined();
    expect(await frechetDistanceError(stored(drawn(1, 2 * width + 1)), reference)).toBeUndefined();
  });
});

describe('inceptionScore', () => {
  it('is the number of classes where each sample is sure of one, and 1 where none is', () => {
    const sure = Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0));
    expect(inceptionScore(rowsOf(4, sure))).toBeCloseTo(4, 12);
    expect(inceptionScore(rowsOf(4, new Float64Array(16).fill(0.25)))).toBeCloseTo(1, 12);
    expect(inceptionScore(rowsOf(4, sure), 2)).toBeCloseTo(2, 12);
  });
});

describe('precisionRecall', () => {
  it('counts who lies within the balls of the other set', () => {
    const reference = rowsOf(1, Float64Array.of(0, 1, 2, 3, 4));
    // Balls of the reference reach from -3 to 7; those of the samples from 0 to 9 and around 100 to 91 from it.
    const samples = rowsOf(1, Float64Array.of(3, 4, 5, 6, 100));
    expect(precisionRecall(reference, samples)).toEqual({ precision: 0.8, recall: 1 });
    const far = rowsOf(1, Float64Array.of(50, 51, 52, 53));
    expect(precisionRecall(reference, far)).toEqual({ precision: 0, recall: 0 });
    expect(precisionRecall(reference, samples, 1)).toEqual({ precision: 0.6, recall: 0.6 });
  });
});

/** Rows as files of features give them. */
const storedRows = (width: number, data: ArrayLike<number>): StoredRows => ({
  count: data.length / width,
  width,
  read: (first, count) =>
    Promise.resolve(Float32Array.from(data).slice(first * width, (first + count) * width)),
});

describe('storedPrecisionRecall', () => {
  it('is that of all rows at once, of sets of more than one portion', async () => {
    await startEngine({});
    // Whole numbers, whose squares single precision has exactly.
    const draw = (count: number, seed: number, scale: number) =>
      numbers(3 * count, seed).map((value) => Math.round(scale * value));
    const [reference, samples] = [draw(2500, 1, 60), draw(4200, 2, 45)];
    const told: number[] = [];
    const found = await storedPrecisionRecall(
      storedRows(3, reference),
      storedRows(3, samples),
      {},
      { onRows: (rows) => told.push(rows) },
    );
    const all = precisionRecall(
      rowsOf(3, Float64Array.from(reference)),
      rowsOf(3, Float64Array.from(samples)),
    );
    expect(all.precision).toBeGreaterThan(all.recall + 0.1);
    expect(found).toEqual(all);
    expect(told.reduce((sum, rows) => sum + rows)).toBe(2 * (2500 + 4200));
  }, 120_000);
});

describe('storedKernelDistance', () => {
  beforeAll(() => startEngine({}));

  it('is that of torch-fidelity', async () => {
    const { tensors } = await readFixture(
      new URL('../fixtures/metrics.safetensors', import.meta.url).pathname,
    );
    const [samples, reference] = ['features_sample', 'features_reference'].map(
      (name) => tensors.get(name)!.data as Float64Array,
    ) as [Float64Array, Float64Array];
    const distance = async (rows: number, others: number) =>
      (
        await storedKernelDistance(
          storedRows(24, samples.subarray(0, rows * 24)),
          storedRows(24, reference.subarray(0, others * 24)),
        )
      ).distance;
    // torch-fidelity 0.4.0, `kernel_mmd` with its defaults, in float64 of the first 280 of either; features are rounded to float32.
    expect(await distance(280, 280)).toBeAllclose(0.08680428767216775, { relative: 1e-5 });
    // The same formula in NumPy for sets of different sizes.
    expect(await distance(280, 300)).toBeAllclose(0.0922891754937778, { relative: 1e-5 });
    expect(await distance(50, 70)).toBeAllclose(0.12558838629443336, { relative: 1e-5 });
  });

  /** Normally distributed numbers, by Box and Muller. */
  const normal = (count: number, seed: number, mean: number, deviation: number) => {
    const uniform = numbers(2 * count, seed).map((value) => (value + 1) / 2);
    return Float64Array.from({ length: count }, (_, i) => {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform[2 * i]!));
      return mean + deviation * radius * Math.cos(2 * Math.PI * uniform[2 * i + 1]!);
    });
  };

  it('has the closed form of Gaussians as its mean, and its error as its deviation', async () => {
    // In one dimension E(xy + 1)³ is a sum of products of moments: squared differences of moments remain.
    const moments = (mean: number, deviation: number) => [
      mean,
      mean ** 2 + deviation ** 2,
      mean ** 3 + 3 * mean * deviation ** 2,
    ];
    const [a, b] = [moments(0.2, 1), moments(0.5, 0.8)];
    const expected = [3, 3, 1].reduce((sum, weight, i) => sum + weight * (a[i]! - b[i]!) ** 2, 0);
    const found = [];
    for (let i = 0; i < 60; i++)
      found.push(
        await storedKernelDistance(
          storedRows(1, normal(200, 17 * i + 1, 0.2, 1)),
          storedRows(1, normal(300, 17 * i + 9, 0.5, 0.8)),
        ),
      );
    const mean = found.reduce((sum, { distance }) => sum + distance / found.length, 0);
    const deviation = Math.sqrt(
      found.reduce((sum, { distance }) => sum + (distance - mean) ** 2 / (found.length - 1), 0),
    );
    // Three standard errors of a mean of 60.
    expect(Math.abs(mean - expected)).toBeLessThan((3 * deviation) / Math.sqrt(60));
    const error = found.reduce((sum, { error }) => sum + error! / found.length, 0);
    // A deviation of 60 values is uncertain by a tenth; that of halves has a bias of some per cent.
    expect(error / deviation).toBeGreaterThan(0.7);
    expect(error / deviation).toBeLessThan(1.5);
  });

  it('takes larger sets apart, into rows from all over them', async () => {
    // The first half of either set is at -1, the other at 1: each part has equally many of both.
    const halves = (count: number) =>
      Float64Array.from({ length: count }, (_, i) => (i < count / 2 ? -1 : 1) + 1e-3 * Math.sin(i));
    const { distance, error } = await storedKernelDistance(
      storedRows(1, halves(3000)),
      storedRows(1, halves(4500)),
    );
    expect(Math.abs(distance)).toBeLessThan(0.01);
    expect(error).toBeLessThan(0.01);
    const other = await storedKernelDistance(
      storedRows(1, halves(3000)),
      storedRows(
        1,
        halves(4500).map((value) => value + 1),
      ),
    );
    // From the third moments of -1 and 1, and of 0 and 2: 0 and 4; second 1 and 2; first 0 and 1.
    expect(other.distance).toBeAllclose(16 + 3 * 1 + 3 * 1, { relative: 0.02 });
  });

  it('needs two rows, has no error of three, and ends with the signal', async () => {
    const rows = (count: number) => storedRows(1, numbers(count));
    await expect(storedKernelDistance(rows(1), rows(5))).rejects.toThrow('at least 2 rows');
    expect(await storedKernelDistance(rows(3), rows(3))).not.toHaveProperty('error');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(storedKernelDistance(rows(9), rows(9), {}, signal)).rejects.toThrow('enough');
  });
});

describe('storedClassAgreement', () => {
  it('is the share of nearest members that have the class of a row', async () => {
    await startEngine({});
    // More than one portion of the set; only its first 3 and last 2 members are near.
    const set = Float64Array.from({ length: 5000 }, (_, i) => (i < 3 ? i / 10 : i >= 4998 ? 10 : 1000 + i));
    const names = Array.from(set, (_, i) => (i < 2 ? 'a' : 'b'));
    const agreement = (rows: number[], labels: string[], neighbours: number) =>
      storedClassAgreement(
        storedRows(1, rows),
        storedRows(1, set),
        { rows: labels, set: names },
        {},
        { neighbours },
      );
    expect(await agreement([0, 0.11, 9], ['a', 'a', 'b'], 1)).toBe(1);
    expect(await agreement([0, 0.11, 9], ['a', 'b', 'a'], 1)).toBeCloseTo(1 / 3);
    expect(await agreement([0.1], ['a'], 3)).toBeCloseTo(2 / 3);
    // Two at 10, then those at 0: b, b, b.
    expect(await agreement([9], ['b'], 3)).toBe(1);
    expect(await agreement([9], ['b'], 5)).toBeCloseTo(3 / 5);
  });
});
