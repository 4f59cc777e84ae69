import {
  type Compiled,
  type HostTensor,
  type ProgramSession,
  type Tensor1D,
  compile,
  float32,
  int32,
  randomNormal,
  randomUniform,
  streamKey,
} from '../../tensorflow/index.js';

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
type DrawInputs = { key: Tensor1D; first: Tensor1D; samples: Tensor1D };

/** Random numbers for ranges of samples: those of a sample depend on the seed, the purpose, the step and its number. */
export class RandomNumbers {
  private readonly normals: Compiled<DrawInputs, { values: ReturnType<typeof randomNormal> }>;
  private readonly uniforms: Compiled<DrawInputs, { values: ReturnType<typeof randomUniform> }>;

  /** @param shape of one sample's numbers */
  constructor(
    session: ProgramSession,
    private readonly seed: number,
    shape: readonly number[],
  ) {
    const drawn = (draw: typeof randomNormal) =>
      compile(
        ({ key, first, samples }: DrawInputs) => ({
          values: draw(key, first, samples.size, shape),
        }),
        { session },
      );
    this.normals = drawn(randomNormal);
    this.uniforms = drawn(randomUniform);
  }

  /** Standard normal numbers for every sample of a range, `[size, …]`. */
  async normal(purpose: string, range: Range, step = 0): Promise<HostTensor> {
    return (await this.normals.call(this.inputs(purpose, range, step))).values;
  }

  /** 1 or -1, equally often. */
  async signs(purpose: string, range: Range, step = 0): Promise<HostTensor> {
    const { shape, data } = (await this.uniforms.call(this.inputs(purpose, range, step))).values;
    return float32(
      shape,
      Float32Array.from(data as Float32Array, (value) => (value < 0.5 ? -1 : 1)),
    );
  }

  private inputs(purpose: string, { first, size }: Range, step: number) {
    return {
      key: streamKey(this.seed, purpose, step),
      first: int32([1], Int32Array.of(first)),
      // Only its length matters: it is what the program is traced for.
      samples: int32([size], new Int32Array(size)),
    };
  }
}

interface Range {
  /** Number of the first sample. */
  readonly first: number;
  readonly size: number;
}
