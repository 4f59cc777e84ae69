import {
  compile,
  float32,
  floats,
  type HostTensor,
  nativeBackend,
  recordSteps,
  Session,
  sizeOf,
  type Tensor,
  tf,
} from '../../src/tensorflow/index.js';

/** Made-up numbers of unit size. */
export const numbers = (shape: readonly number[], seed: number): HostTensor =>
  float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(seed * (i + 1) ** 1.3)),
  );

/**
 * The value of a function and its gradients by all arguments, in a graph whose functions are fused or not, and the kinds of
 * operation that computed them.
 *
 * @param args arguments of `f`, in their order
 * @param dy gradient by its value
 */
export async function fusedGradients(
  f: (...args: Tensor[]) => Tensor,
  args: Readonly<Record<string, HostTensor>>,
  dy: HostTensor,
  fusion: boolean,
) {
  nativeBackend();
  const session = new Session({ device: 'cpu', fusion });
  try {
    const program = compile(
      ({ dy, ...args }: Record<string, Tensor>) => {
        const { value, grads } = tf.valueAndGrads(f)(Object.values(args), dy);
        return { value, gradients: tf.concat(grads.map((gradient) => gradient.flatten())) };
      },
      { session },
    );
    const recording = recordSteps(1);
    for (let call = 0; call < 2; call++) await program.call({ ...args, dy });
    const { value, gradients } = await program.call({ ...args, dy });
    const operations = (await recording.done).flat().map(({ operation }) => operation.replace(/_\d+$/, ''));
    return { value: floats(value), gradients: floats(gradients), operations };
  } finally {
    await session.close();
  }
}
