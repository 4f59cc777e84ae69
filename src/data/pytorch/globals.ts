import { UserError } from '../../errors.js';
import type { SafetensorsDtype } from '../safetensors/dtypes.js';
import { PickledAttributes, PickleError, type PickleGlobal, textOf } from './pickle/machine.js';
import { TorchTensor, type TorchStorage } from './tensor.js';

/** Element types by the name of PyTorch's storage class. */
export const storageDtypes: Readonly<Record<string, SafetensorsDtype | undefined>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** Bytes of the largest pickle that is read: weights stand beside it, and it takes about 150 bytes for a tensor. */
export const largestPickle = 64 * 2 ** 20;

/** The type of a storage, as a checkpoint names it. */
export class StorageType {
  readonly dtype: SafetensorsDtype;

  constructor(dtype: SafetensorsDtype) {
    this.dtype = dtype;
  }
}

const dictionary: PickleGlobal = (items) =>
  new Map((Array.isArray(items) ? items : []) as (readonly [unknown, unknown])[]);
const attributes: PickleGlobal = () => new PickledAttributes();
const path: PickleGlobal = (...parts) => parts.map(textOf).join('/');
const items: PickleGlobal = (values) => (Array.isArray(values) ? (values as unknown[]) : []);

const known: Readonly<Record<string, PickleGlobal | undefined>> = {
  'collections.OrderedDict': dictionary,
  'argparse.Namespace': attributes,
  'types.SimpleNamespace': attributes,
  'pathlib.PosixPath': path,
  'pathlib._local.PosixPath': path,
  'builtins.set': items,
  '__builtin__.set': items,
  'torch.Size': items,
  'torch.device': (...parts) => parts.map(textOf).join(':'),
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': (tensor) => tensor,
};

const dtypeNames =
  /^(float(16|32|64)|bfloat16|half|double|u?int(8|16|32|64)|long|short|bool|complex(64|128))$/;

/**
 * What a global of a checkpoint stands for: the few that tensors, their containers and options are made of.
 *
 * @throws UserError `checkpoint-unknown-global` for any other: it is named, and nothing of it is executed.
 */
export function checkpointGlobal(file: string, module: string, name: string): unknown {
  const full = `${module}.${name}`;
  const meaning = Object.hasOwn(known, full) ? known[full] : undefined;
  if (meaning) return meaning;
  if (module === 'torch' && Object.hasOwn(storageDtypes, name)) return new StorageType(storageDtypes[name]!);
  if (module === 'torch' && dtypeNames.test(name)) return full;
  throw new UserError({
    code: 'checkpoint-unknown-global',
    message: `${file}: the checkpoint refers to ${full}, which is not among the things that are read.`,
    remedy:
      'Checkpoints of tensors, numbers, text and argparse options are read; code never is. In PyTorch, save only the state dictionaries: torch.save({"model": model.state_dict()}, path).',
  });
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, …)`. */
function rebuildTensor(storage: unknown, offset: unknown, shape: unknown, strides: unknown): TorchTensor {
  if (!Array.isArray(shape) || !Array.isArray(strides) || typeof offset !== 'number') {
    throw new PickleError('a tensor has no shape');
  }
  if (typeof storage !== 'object' || storage === null || !('source' in storage))
    throw new PickleError('a tensor has no storage');
  return new TorchTensor(storage as TorchStorage, offset, shape as number[], strides as number[]);
}
