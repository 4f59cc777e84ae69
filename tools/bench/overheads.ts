import { nativeBackend, scalar, Session, tf } from '../../src/tensorflow/index.js';

const calls = 300;

/** Median seconds of a session's call that computes next to nothing: one number in, one out. */
export async function sessionCallSeconds(): Promise<number> {
  const session = new Session({ device: 'cpu' });
  try {
    const x = session.graph.placeholder('float32', []);
    const y = session.graph.node('Square', [x]);
    const times: number[] = [];
    for (let i = 0; i < calls; i++) {
      const start = performance.now();
      await session.run([[x, scalar(i)]], [y]);
      times.push(performance.now() - start);
    }
    return median(times) / 1000;
  } finally {
    await session.close();
  }
}

/** Median seconds of an eager operation on a few numbers. */
export function eagerOperationSeconds(): number {
  nativeBackend();
  const perRound = 500;
  const rounds = Array.from({ length: 11 }, () =>
    tf.tidy(() => {
      let x = tf.tensor1d([1, 2, 3]);
      const y = tf.tensor1d([1, 1, 1]);
      const start = performance.now();
      for (let i = 0; i < perRound; i++) x = x.add(y);
      const seconds = (performance.now() - start) / 1000 / perRound;
      x.dataSync();
      return seconds as never;
    }),
  ) as readonly number[];
  return median(rounds);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
