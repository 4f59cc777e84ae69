import { beforeAll, expect, it } from 'vitest';
import { type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { sit } from '../../src/models/sit/sit.js';
import { initialize } from '../../src/nn/parameters.js';
import { float32, int32, nativeBackend, runEagerly, type Tensors, tf } from '../../src/tensorflow/index.js';
import type { Tensor1D, Tensor4D } from '../../src/tensorflow/index.js';
import { modelGuidanceShift } from '../../src/training/model-guidance.js';

beforeAll(() => {
  nativeBackend();
});

const model: SiTConfig = {
  ...{ latentSize: 2, channels: 3, patchSize: 1, hiddenSize: 8, depth: 2, heads: 2, classes: 4 },
  ...{ mediators: [1, 0], labelDropout: 0.1 },
};
// Blocks and the last layer of a model that begins do nothing: they are zero.
const weights = initialize(
  sitParameters(model).map((each) => ({ ...each, initial: { kind: 'normal', std: 0.4 } as const })),
  3,
);
const times = [0.1, 0.25, 0.5, 0.8, 0.9];
const labels = [0, 1, 4, 3, 2];
const size = 12;

it('moves targets as the public PyTorch code does: within the interval, and not of dropped labels', () => {
  const scale = 1.7;
  const given = {
    x: float32(
      [5, 2, 2, 3],
      Float32Array.from({ length: 5 * size }, (_, i) => Math.cos(2.3 * i)),
    ),
    t: float32([5], Float32Array.from(times)),
    y: int32([5], Int32Array.from(labels)),
  };
  const { shift, conditional, unconditional } = runEagerly(
    ({ x, t, y, ...average }: Tensors) => {
      const point = { x: x as Tensor4D, t: t as Tensor1D, y: y as Tensor1D };
      const none: Tensor1D = tf.fill([5], 4, 'int32');
      return {
        shift: modelGuidanceShift({ scale, interval: [0.25, 0.8] }, model, average, point),
        conditional: sit(average, model, point.x, point.t, point.y),
        unconditional: sit(average, model, point.x, point.t, none),
      };
    },
    { ...weights, ...given },
  );
  // Its times go the other way: `torch.where(t < mg_high, scale - 1, 0)`, and labels that are dropped are left out.
  const expected = Array.from(shift.data, (_, i) => {
    const sample = Math.floor(i / size);
    const isMoved = times[sample]! >= 0.25 && times[sample]! <= 0.8001 && labels[sample] !== 4;
    return isMoved ? (scale - 1) * (conditional.data[i]! - unconditional.data[i]!) : 0;
  });
  expect(shift.data).toBeAllclose(expected, { absolute: 1e-5 });
  const moved = [0, 1, 2, 3, 4].map((sample) =>
    expected.slice(sample * size, (sample + 1) * size).some((value) => Math.abs(value) > 1e-3),
  );
  expect(moved).toEqual([false, true, false, true, false]);
});
