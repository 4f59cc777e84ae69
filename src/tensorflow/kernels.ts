import { availableParallelism } from 'node:os';
import type {
  Conv2DAttrs,
  KernelConfig,
  KernelFunc,
  NamedAttrMap,
  NamedTensorInfoMap,
  TensorInfo,
} from '@tensorflow/tfjs';
import { hasAvx512 } from './install/platform.js';
import { AttributeKind, type OpAttribute } from './op-binding.js';
import { tf } from './tfjs.js';

const backendName = 'tensorflow';

/** The part of the native backend that kernels use. */
interface KernelBackend {
  readonly isRecording: boolean;
  readonly devices: readonly string[];
  operation(name: string, inputs: readonly TensorInfo[], attributes?: readonly OpAttribute[]): TensorInfo[];
}

/** Arguments of a kernel. */
interface KernelCall {
  readonly inputs: NamedTensorInfoMap;
  readonly attrs: NamedAttrMap;
  readonly backend: KernelBackend;
}

/** Replaces those kernels of tfjs-node that do not do on this TensorFlow, or in a trace, what tfjs promises. */
export function replaceKernels(): void {
  replace('BatchMatMul', matMul);
  replace('Conv2D', convolution);
  replace('GatherV2', gather);
  replace('Round', round);
}

/** Multiplies matrices: in a graph by `MatMul`, which TensorFlow's rewriting fuses with what follows. */
function matMul({ inputs, attrs, backend }: KernelCall, original: KernelFunc): TensorInfo | TensorInfo[] {
  const { a, b } = inputs;
  if (!backend.isRecording || a!.shape.length !== 2 || b!.shape.length !== 2)
    return original({ inputs, attrs, backend });
  const flag = (name: string, value: unknown) => ({ name, type: AttributeKind.bool, value: value === true });
  return backend.operation(
    'MatMul',
    [a!, b!],
    [flag('transpose_a', attrs.transposeA), flag('transpose_b', attrs.transposeB)],
  )[0]!;
}

/**
 * oneDNN divides a convolution by images only, where it lacks kernels of its own for it: of fewer images than there are
 * threads, TensorFlow's other kernels take a half to a sixth of its time. Those answer to `Conv`.
 */
function convolution(
  { inputs, attrs, backend }: KernelCall,
  original: KernelFunc,
): TensorInfo | TensorInfo[] {
  const { x, filter } = inputs;
  const { pad, strides, dilations, dataFormat } = attrs as unknown as Conv2DAttrs;
  const byImages =
    !backend.isRecording ||
    x!.shape[0]! >= availableParallelism() ||
    hasAvx512() ||
    backend.devices.includes('GPU');
  if (byImages || typeof pad !== 'string' || dataFormat !== 'NHWC')
    return original({ inputs, attrs, backend });
  const ofAxes = (sides: number | [number, number]) => [
    1,
    ...(typeof sides === 'number' ? [sides, sides] : sides),
    1,
  ];
  return backend.operation(
    'Conv',
    [x!, filter!],
    [
      { name: 'strides', type: AttributeKind.int, value: ofAxes(strides) },
      { name: 'dilations', type: AttributeKind.int, value: ofAxes(dilations) },
      { name: 'padding', type: AttributeKind.string, value: pad.toUpperCase() },
    ],
  )[0]!;
}

/**
 * tfjs-node reads the indices in JavaScript to check them, which a traced function cannot. There TensorFlow
 * checks them when the graph runs; on a GPU, rows of indices out of range are zeros.
 */
function gather({ inputs, attrs, backend }: KernelCall, original: KernelFunc): TensorInfo | TensorInfo[] {
  if (!backend.isRecording) return original({ inputs, attrs, backend });
  const axis = tf.scalar(attrs.axis as number, 'int32');
  const batchDims = { name: 'batch_dims', type: AttributeKind.int, value: attrs.batchDims as number };
  return backend.operation('GatherV2', [inputs.x!, inputs.indices!, axis], [batchDims])[0]!;
}

/** TensorFlow 2.21 rounds every integer to 0 on the CPU. */
function round({ inputs, attrs, backend }: KernelCall, original: KernelFunc): TensorInfo | TensorInfo[] {
  const x = inputs.x!;
  return x.dtype === 'int32' ? backend.operation('Identity', [x])[0]! : original({ inputs, attrs, backend });
}

function replace(
  kernelName: string,
  kernel: (call: KernelCall, original: KernelFunc) => TensorInfo | TensorInfo[],
): void {
  const original = tf.getKernel(kernelName, backendName).kernelFunc;
  const config: KernelConfig = {
    kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) =>
      kernel({ inputs, attrs: attrs ?? {}, backend: backend as unknown as KernelBackend }, original),
  };
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel(config);
}
