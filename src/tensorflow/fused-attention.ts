import type { Tensor } from '@tensorflow/tfjs';
import { DataTypeCode } from './data-types.js';
import { fitsFusedAttention } from './runtime-options.js';
import { Tracer } from './tracer.js';

const { bfloat16, float32, uint8 } = DataTypeCode;

/** Results of attention that its gradient needs. */
export interface FusedAttention {
  /** [heads, batch, tokens, size] */
  readonly value: Tensor;
  /** Logarithms of the softmax's sums, [heads, batch, tokens]. */
  readonly statistics: Tensor;
}

/** True in traces that XLA compiles for GPUs in bfloat16, for sizes of heads that cuDNN's kernels take. */
export function fusesAttention(size: number): boolean {
  return Tracer.current?.fusesAttention === true && fitsFusedAttention(size);
}

/**
 * Softmax attention by cuDNN, which never writes scores into memory, where `fusesAttention`. No gradient of its own:
 * `fusedAttentionGradient` is it.
 *
 * XLA finds no such call by itself: it is written as JAX writes it. Its dimensions of samples and of heads may change
 * places, as each is alone.
 *
 * @param q queries, [heads, batch, tokens, size], as keys and values
 * @param scale factor of the scores
 */
export function fusedAttention(q: Tensor, k: Tensor, v: Tensor, scale: number): FusedAttention {
  const tracer = Tracer.current!;
  tracer.attentionSizes.add(q.shape[3]!);
  const factors = [q, k, v].map((each) => tracer.asFactor(each));
  const results = [[bfloat16, q.shape], [float32, q.shape.slice(0, 3)], workspace] as const;
  const config = configOf(q.shape, scale, { bmm1: [3, 3], bmm2: [3, 2] });
  const [value, statistics] = tracer.customCall('__cudnn$fmhaSoftmax', factors, { config, results }) as [
    Tensor,
    Tensor,
  ];
  return { value, statistics };
}

/** Gradients by queries, keys and values. */
export function fusedAttentionGradient(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  { value, statistics }: FusedAttention,
  dy: Tensor,
  scale: number,
): [Tensor, Tensor, Tensor] {
  const tracer = Tracer.current!;
  const [first, second, third, dAttended] = [q, k, v, dy].map((each) => tracer.asFactor(each)) as Four;
  const inputs = [first, second, third, statistics, dAttended, value];
  const config = configOf(q.shape, scale, {
    bmm1_grad_gemm1: [2, 2],
    bmm1_grad_gemm2: [3, 2],
    bmm2_grad_gemm1: [2, 2],
    bmm2_grad_gemm2: [3, 3],
  });
  const results = [...[q, k, v].map(({ shape }) => [bfloat16, shape] as const), workspace];
  const [dq, dk, dv] = tracer.customCall('__cudnn$fmhaSoftmaxBackward', inputs, { config, results }) as Four;
  return [dq, dk, dv];
}

type Four = [Tensor, Tensor, Tensor, Tensor];

/** XLA makes it as large as cuDNN asks. */
const workspace = [uint8, [0]] as const;

/** The call's configuration, as XLA's `CudnnfMHABackendConfig`: contracted dimensions of each product's factors. */
function configOf(
  shape: readonly number[],
  scale: number,
  products: Readonly<Record<string, readonly [left: number, right: number]>>,
): string {
  const [heads, batch, tokens] = shape.map(String) as [string, string, string];
  const numbers = Object.entries(products).map(([name, [left, right]]) => {
    const contracted = {
      lhs_contracting_dimensions: [String(left)],
      rhs_contracting_dimensions: [String(right)],
      lhs_batch_dimensions: ['0', '1'],
      rhs_batch_dimensions: ['0', '1'],
    };
    return [`${name}_dot_dimension_numbers`, contracted] as const;
  });
  return JSON.stringify({
    operation_queue_id: '0',
    wait_on_operation_queues: [],
    cudnn_fmha_backend_config: {
      algorithm: {
        algo_id: '0',
        math_type: 'TENSOR_OP_MATH',
        tuning_knobs: { 17: '1', 24: '0' },
        is_cudnn_frontend: true,
        workspace_size: '0',
      },
      fmha_scale: scale,
      dropout_rate: 0,
      intermediate_tensor_shape: {
        element_type: 'BF16',
        dimensions: [heads, batch, tokens, tokens],
        layout: { minor_to_major: ['3', '2', '1', '0'] },
        is_dynamic_dimension: [false, false, false, false],
      },
      seed: 42,
      is_flash_attention: true,
      mask_type: 'NO_MASK',
      sliding_window_length: 0,
      ...Object.fromEntries(numbers),
    },
  });
}
