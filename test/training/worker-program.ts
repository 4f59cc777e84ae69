import { normal, zeros } from '../../src/nn/parameter.js';
import { initialValues } from '../../src/nn/parameters.js';
import {
  int32,
  nativeBackend,
  randomNormal,
  Session,
  streamKey,
  type Tensor1D,
  type Tensor4D,
  tf,
  WorkerServer,
} from '../../src/tensorflow/index.js';
import { openTrainer } from '../../src/training/open-trainer.js';

// One of several workers that train a small network together: prints its losses and weights as JSON.
// Arguments: rank, addresses separated by commas, steps, the step before which this worker wishes to stop, or -1, and
// the precision.

const [rankText, list, stepsText, stopText, precision] = process.argv.slice(2) as [
  ...[string, string, string, string],
  'float32' | 'bfloat16',
];
const rank = Number(rankText);
const addresses = list.split(',');
const share = 16 / addresses.length;
const options = { device: 'cpu', threads: 1, rewriting: false, precision } as const;

nativeBackend(options);
const server = addresses.length === 1 ? undefined : new WorkerServer({ rank, addresses }, options);
const session = new Session(options, server);
const parameters = [
  { name: 'filter', shape: [1, 1, 6, 1], initial: normal(1) },
  { name: 'in', shape: [6, 8], initial: normal(0.5) },
  { name: 'bias', shape: [8], initial: zeros },
  { name: 'out', shape: [8, 2], initial: normal(0.5) },
];
const trainer = openTrainer(session, {
  parameters,
  inputs: {
    key: { dtype: 'int32', shape: [2] },
    first: { dtype: 'int32', shape: [1] },
  },
  loss: ({ key, first }, weights) => {
    const x = randomNormal(key as Tensor1D, first as Tensor1D, share, [6]);
    const pixels = x.reshape<Tensor4D>([share, 1, 1, 6]);
    const scaled = tf.depthwiseConv2d(pixels, weights.filter as Tensor4D, 1, 'same').reshape([share, 6]);
    const hidden = scaled.matMul(weights.in!).add(weights.bias!).tanh();
    const error = hidden.matMul(weights.out!).sub(x.slice([0, 0], [share, 2]));
    const loss = error.square().mean();
    return { loss, figures: { root: loss.sqrt() } };
  },
  optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
  averageDecays: [0.9],
  gradientClip: 1,
});
await trainer.start(initialValues(parameters, 5));

const losses: number[] = [];
for (let step = 0; step < Number(stepsText); step++) {
  const inputs = {
    key: streamKey(5, 'data', step),
    first: int32([1], Int32Array.of(rank * share)),
  };
  const { loss, stop } = await trainer.step(inputs, 0.01, step, step === Number(stopText));
  losses.push(loss);
  if (stop) break;
}
const weights: number[] = [];
for await (const [, { data }] of trainer.read('weights')) weights.push(...data);
process.stdout.write(JSON.stringify({ losses, weights }), () => process.exit(0));
