import type { DataType, KernelConfig, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import { mapValues } from '../trace.js';
import { tf } from '../tfjs.js';

/** Kernels that the WebAssembly backend has not, and that its users seldom need: those of the plain JavaScript backend serve. */
const names = ['Einsum', 'UnsortedSegmentSum'];

type Values = Float32Array | Int32Array | Uint8Array;

/** What both backends offer, and their type declarations do not all show. */
interface PlainBackend {
  firstUse: boolean;
  makeTensorInfo(shape: readonly number[], dtype: DataType, values: Values): TensorInfo;
  readSync(dataId: object): Values;
  disposeData(dataId: object, force?: boolean): void;
}
interface WasmBackend {
  makeOutput(shape: readonly number[], dtype: DataType, offset: undefined, values: Values): TensorInfo;
  readSync(dataId: object): Values;
}

export function borrowedKernels(): KernelConfig[] {
  return names.map((kernelName) => ({ kernelName, backendName: 'wasm', kernelFunc: borrowing(kernelName) }));
}

function borrowing(kernelName: string): KernelConfig['kernelFunc'] {
  const { kernelFunc } = tf.getKernel(kernelName, 'cpu');
  return ({ inputs, attrs, backend }) => {
    const wasm = backend as unknown as WasmBackend;
    const plain = tf.findBackend('cpu') as unknown as PlainBackend;
    // It would recommend tfjs-node.
    plain.firstUse = false;
    const lend = ({ dataId, shape, dtype }: TensorInfo) =>
      plain.makeTensorInfo(shape, dtype, wasm.readSync(dataId));
    // A kernel of any number of inputs has them as a list.
    const lent = Array.isArray(inputs)
      ? (inputs as TensorInfo[]).map(lend)
      : mapValues(inputs as Record<string, TensorInfo>, lend);
    const results = kernelFunc({
      inputs: lent as NamedTensorInfoMap,
      attrs: attrs ?? {},
      backend: plain,
    });
    const returned = [results].flat().map((info) => {
      const output = wasm.makeOutput(info.shape, info.dtype, undefined, plain.readSync(info.dataId));
      plain.disposeData(info.dataId, true);
      return output;
    });
    for (const { dataId } of Object.values(lent)) plain.disposeData(dataId, true);
    return Array.isArray(results) ? returned : returned[0]!;
  };
}
