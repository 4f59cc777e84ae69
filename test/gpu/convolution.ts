import { compile, float32, type RuntimeOptions, type Tensor4D, tf } from '../../src/tensorflow/index.js';

/** Computes a convolution and its gradients twice: `convolution.ts OPTIONS`. */

const runtime = JSON.parse(process.argv[2]!) as RuntimeOptions;
const gradients = compile(
  ({ x, filter }: { x: Tensor4D; filter: Tensor4D }) => {
    const loss = (image: Tensor4D, weights: Tensor4D) => tf.conv2d(image, weights, 1, 'same').square().sum();
    const [dx, dFilter] = tf.grads(loss as never)([x, filter]);
    return { dx: dx!, dFilter: dFilter! };
  },
  { runtime },
);
const ones = (...shape: number[]) => float32(shape, new Float32Array(shape.reduce((a, b) => a * b)).fill(1));
for (let i = 0; i < 2; i++) await gradients.call({ x: ones(2, 16, 16, 8), filter: ones(3, 3, 8, 8) });
process.exit(0);
