import { int32 } from './data-types.js';
import type { Output } from './graph.js';
import { MixedPrecision } from './mixed-precision.js';
import { nativeBackend } from './native-backend.js';
import type { RuntimeOptions } from './runtime-options.js';
import { Session } from './session.js';

/** Width of the square matrices: large enough for a full rate, small enough to be measured in a blink. */
const widths = { cpu: 1024, gpu: 8192 } as const;
const rounds = 6;

/**
 * Floating-point operations a second of a bare product of large matrices here, with these options: what programs of
 * matrix products could reach at most. The best of a few.
 */
export async function matmulRate(options: RuntimeOptions): Promise<number> {
  const onGpu = nativeBackend(options).placeOf(options).devices.includes('GPU');
  const width = widths[onGpu ? 'gpu' : 'cpu'];
  const session = new Session(options);
  try {
    const { graph } = session;
    const extents = graph.constant(int32([2], Int32Array.of(width, width)));
    const [a, b] = ['a', 'b'].map((name) => session.variable(name, [width, width])) as [
      ReturnType<Session['variable']>,
      ReturnType<Session['variable']>,
    ];
    await session.run(
      [],
      [],
      [a, b].map((variable, i) => variable.assign(graph.node('Fill', [extents, graph.scalar(0.3 + i)]))),
    );
    const factors = new MixedPrecision(graph).operands('MatMul', [a.read(), b.read()]);
    const product: Output = graph.node('MatMul', factors);
    // One number out of all: nothing is copied to the host, and the product is not thrown away.
    const corner = graph.node('Max', [product, graph.constant(int32([2], Int32Array.of(0, 1)))]);
    let fastest = Infinity;
    for (let round = 0; round < rounds; round++) {
      const started = performance.now();
      await session.run([], [corner]);
      if (round > 0) fastest = Math.min(fastest, performance.now() - started);
    }
    return (2 * width ** 3) / (fastest / 1000);
  } finally {
    await session.close();
  }
}
