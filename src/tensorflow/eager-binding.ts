import { attachedApi, type CApi, cApi, type Pointer, throwUnlessOk } from './c-api.js';
import { DataTypeCode } from './data-types.js';
import type { LibraryLocation } from './install/locate.js';
import {
  int64s,
  newStringTensor,
  newStringView,
  newTensor,
  pointers,
  readBytes,
  readStrings,
  shapeOf,
} from './native-memory.js';
import { AttributeKind, firstRecordedId, refuseRecorded } from './op-binding.js';
import type { OpAttribute, OpBinding, TensorMetadata, TensorValues } from './op-binding.js';

/** A tensor's data type number, shape and bytes. */
export interface EagerValue {
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Place where operations run. It can be sent to other threads of the process, which then run theirs in it as well. */
export interface EagerContext {
  readonly location: LibraryLocation;
  readonly address: Pointer;
}

let latest: EagerContext | undefined;

/** The context of this process; none until it computes with TensorFlow. */
export function eagerContext(): EagerContext | undefined {
  return latest;
}

/**
 * Runs each operation at once through TensorFlow's eager C API: what tfjs-node's compiled addon does, without one.
 * Tensors are named by small integers, which the backend of tfjs-node keeps.
 */
export class EagerBinding implements OpBinding {
  private readonly c: CApi;
  private readonly status: Pointer;
  private readonly context: Pointer;
  private readonly handles = new Map<number, Pointer>();
  private readonly gpu: boolean;
  private nextId = 1;
  /** Memory for the results of native calls; kept, since allocating it anew costs more than many an operation. */
  private results = pointers(new Array<Pointer>(8).fill(0n));
  private readonly count = new Int32Array(new ArrayBuffer(4));

  /** @param context a serialized `ConfigProto` for a new one, or that of another thread. */
  constructor(context: Uint8Array | EagerContext) {
    const c = (this.c = 'address' in context ? attachedApi(context.location) : cApi());
    this.status = c.NewStatus();
    this.context = 'address' in context ? context.address : this.newContext(context);
    this.gpu = this.devices().some((type) => type === 'GPU');
  }

  private newContext(config: Uint8Array): Pointer {
    const { c } = this;
    const options = c.EagerNewContextOptions();
    c.EagerContextOptionsSetConfig(options, config, config.byteLength, this.status);
    throwUnlessOk(this.status);
    const address = c.EagerNewContext(options, this.status);
    throwUnlessOk(this.status);
    c.EagerDeleteContextOptions(options);
    latest = { location: c.location, address };
    return address;
  }

  get usesGpu(): boolean {
    return this.gpu;
  }

  get tensorCount(): number {
    return this.handles.size;
  }

  createTensor(shape: number[], dtype: number, values: TensorValues): number {
    return this.adopt(
      dtype === DataTypeCode.string
        ? newStringTensor(shape, values as readonly Uint8Array[])
        : newTensor(dtype, shape, values as ArrayBufferView),
    );
  }

  /** A tensor of one string, which the caller keeps until it deletes it. */
  viewString(bytes: Uint8Array): number {
    return this.adopt(newStringView(bytes));
  }

  private adopt(tensor: Pointer): number {
    const { c } = this;
    const handle = c.EagerNewTensorHandle(tensor, this.status);
    c.DeleteTensor(tensor);
    throwUnlessOk(this.status);
    return this.register(handle);
  }

  deleteTensor(id: number): void {
    this.c.EagerDeleteTensorHandle(this.handle(id));
    this.handles.delete(id);
  }

  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array {
    const { c } = this;
    const tensor = c.EagerTensorHandleResolve(this.handle(id), this.status);
    throwUnlessOk(this.status);
    try {
      return readValues(c, tensor);
    } finally {
      c.DeleteTensor(tensor);
    }
  }

  /** Data type, shape and a copy of the bytes of a tensor. */
  read(id: number): EagerValue {
    const { c } = this;
    const tensor = c.EagerTensorHandleResolve(this.handle(id), this.status);
    throwUnlessOk(this.status);
    try {
      return {
        dtype: c.TensorType(tensor),
        shape: shapeOf(tensor),
        bytes: new Uint8Array(readBytes(tensor)),
      };
    } finally {
      c.DeleteTensor(tensor);
    }
  }

  /** Copies the bytes of a tensor into the memory that `memoryFor` gives for so many. */
  copy(id: number, memoryFor: (bytes: number) => Uint8Array): Uint8Array {
    const { c } = this;
    const tensor = c.EagerTensorHandleResolve(this.handle(id), this.status);
    throwUnlessOk(this.status);
    const bytes = c.TensorByteSize(tensor);
    const to = memoryFor(bytes);
    c.memcpy(to, c.TensorData(tensor), bytes);
    c.DeleteTensor(tensor);
    return to;
  }

  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): TensorMetadata[] {
    const { c, status } = this;
    const op = c.EagerNewOp(this.context, name, status);
    throwUnlessOk(status);
    try {
      for (const id of inputs) {
        c.EagerOpAddInput(op, this.handle(id), status);
        throwUnlessOk(status);
      }
      for (const attribute of attributes) setAttribute(c, op, attribute, status);
      if (outputs > this.results.length) this.results = pointers(new Array<Pointer>(outputs).fill(0n));
      const { results, count } = this;
      count[0] = outputs;
      c.EagerExecute(op, results, count, status);
      throwUnlessOk(status);
      const described: TensorMetadata[] = [];
      for (let i = 0; i < count[0]; i++) described.push(this.describe(results[i]!));
      return described;
    } finally {
      c.EagerDeleteOp(op);
    }
  }

  private describe(handle: Pointer): TensorMetadata {
    const { c, status } = this;
    const rank = c.EagerTensorHandleNumDims(handle, status);
    const shape: number[] = [];
    for (let i = 0; i < rank; i++) shape.push(c.EagerTensorHandleDim(handle, i, status));
    throwUnlessOk(status);
    return { id: this.register(handle), dtype: c.EagerTensorHandleDataType(handle), shape };
  }

  private register(handle: Pointer): number {
    const id = this.nextId++;
    this.handles.set(id, handle);
    return id;
  }

  private handle(id: number): Pointer {
    const handle = this.handles.get(id);
    if (handle !== undefined) return handle;
    if (id >= firstRecordedId) refuseRecorded();
    throw new Error(`Tensor ${id} is disposed.`);
  }

  /** Kinds of the devices that TensorFlow sees. */
  devices(): string[] {
    const { c, status } = this;
    const list = c.EagerContextListDevices(this.context, status);
    throwUnlessOk(status);
    const types = Array.from({ length: c.DeviceListCount(list) }, (_, i) =>
      c.DeviceListType(list, i, status),
    );
    c.DeleteDeviceList(list);
    return types;
  }
}

function readValues(c: CApi, tensor: Pointer): Float32Array | Int32Array | Uint8Array {
  const dtype = c.TensorType(tensor);
  switch (dtype) {
    case DataTypeCode.float32:
    case DataTypeCode.complex64:
      return new Float32Array(readBytes(tensor));
    case DataTypeCode.int32:
      return new Int32Array(readBytes(tensor));
    case DataTypeCode.int64:
      // tfjs knows no 64-bit integers; as in tfjs-node's addon they keep their type.
      return new BigInt64Array(readBytes(tensor)) as unknown as Int32Array;
    case DataTypeCode.bool:
    case DataTypeCode.uint8:
      return new Uint8Array(readBytes(tensor));
    case DataTypeCode.string:
      return readStrings(tensor) as unknown as Uint8Array;
    default:
      throw new TypeError(`A tensor of TensorFlow's type ${dtype} cannot be read from JavaScript.`);
  }
}

function setAttribute(c: CApi, op: Pointer, { name, type, value }: OpAttribute, status: Pointer): void {
  switch (type) {
    case AttributeKind.string: {
      const bytes = Buffer.from(value as string);
      c.EagerOpSetAttrString(op, name, bytes, bytes.length);
      return;
    }
    case AttributeKind.int:
      if (Array.isArray(value)) c.EagerOpSetAttrIntList(op, name, int64s(value as number[]), value.length);
      else c.EagerOpSetAttrInt(op, name, value);
      return;
    case AttributeKind.float:
      if (Array.isArray(value))
        c.EagerOpSetAttrFloatList(op, name, Float32Array.from(value as number[]), value.length);
      else c.EagerOpSetAttrFloat(op, name, value);
      return;
    case AttributeKind.bool:
      if (Array.isArray(value))
        c.EagerOpSetAttrBoolList(op, name, Uint8Array.from(value as number[]), value.length);
      else c.EagerOpSetAttrBool(op, name, value === true ? 1 : 0);
      return;
    case AttributeKind.type:
      c.EagerOpSetAttrType(op, name, value);
      return;
    case AttributeKind.shape:
      c.EagerOpSetAttrShape(op, name, int64s(value as number[]), (value as number[]).length, status);
      throwUnlessOk(status);
      return;
    default:
      throw new TypeError(`Attribute ${name} has the unknown kind ${type}.`);
  }
}
