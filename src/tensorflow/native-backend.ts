import { createRequire } from 'node:module';
import type { KernelBackend, Tensor, TensorInfo } from '@tensorflow/tfjs';
import { refuseBundles } from '../base/errors.js';
import { cApi, usesOneDnn } from './c-api.js';
import { DataTypeCode } from './data-types.js';
import { EagerBinding, type EagerValue } from './eager-binding.js';
import { configureXla, type GpuFacts, gpuFacts, gpusHiddenBy, openCudaLibraries } from './gpus.js';
import { hasAvx512 } from './install/platform.js';
import { replaceKernels } from './kernels.js';
import { keepingLog, quietFromNowOn, reasonsIn, withoutLog } from './native-log.js';
import { AttributeKind, firstRecordedId, refuseRecorded } from './op-binding.js';
import type { OpAttribute, OpBinding, TensorMetadata, TensorValues } from './op-binding.js';
import { refuseRandomValues, untraceable, usedDisposed } from './random-guard.js';
import { configProto } from './protobuf.js';
import { checkRuntimeOptions, asTheyAre, type Place, type RuntimeOptions } from './runtime-options.js';
import { allowTensorFloat32, requireDeterminism } from './math-modes.js';
import { tf } from './tfjs.js';

refuseBundles((import.meta as { url?: string }).url, 'native-backend');
const require = createRequire(import.meta.url);

/** Record of a tensor in tfjs-node's backend: an id of the binding, or values that are not handed over yet. */
interface TensorRecord {
  id: number;
  readonly shape: number[];
  readonly dtype: number;
  values: TensorValues | null;
}

/** Members of tfjs-node's backend that it does not declare as public but that its own kernels call. */
interface BackendInternals {
  binding: OpBinding;
  tensorMap: { get(dataId: object): TensorRecord; has(dataId: object): boolean };
  createOutputTensor(metadata: TensorMetadata): Tensor;
  getInputTensorIds(tensors: readonly TensorInfo[]): number[];
  move(dataId: object, values: never, shape: number[], dtype: never, refCount: number): void;
}

/** Its own types do not compile in projects that check the declarations of packages. */
type BackendClass = new (
  binding: object,
  packageName: string,
) => Omit<KernelBackend, keyof BackendInternals> & BackendInternals;

const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js') as {
  NodeJSKernelBackend: BackendClass;
};

/**
 * tfjs-node-gpu's backend with its kernels, over bindings that can be exchanged: operations run eagerly, or are
 * written into a graph while a recorder is set.
 */
export class NativeBackend extends NodeJSKernelBackend {
  private recorder: OpBinding | undefined;
  /** Data that a traced function has written; the rest of the pending data belongs to the eager binding. */
  private readonly recordedData = new WeakSet();

  constructor(
    private readonly eager: EagerBinding,
    readonly gpus: RegisteredGpus,
  ) {
    super(constants(eager), '@tensorflow/tfjs-node-gpu');
    const owner = (id: number): OpBinding => (id < firstRecordedId ? eager : (this.recorder ?? outOfTrace));
    const current = (): OpBinding => this.recorder ?? eager;
    Object.assign(this.binding, {
      createTensor: (...args: Parameters<OpBinding['createTensor']>) => current().createTensor(...args),
      executeOp: (...args: Parameters<OpBinding['executeOp']>) => current().executeOp(...args),
      deleteTensor: (id: number) => {
        owner(id).deleteTensor(id);
      },
      tensorDataSync: (id: number) => owner(id).tensorDataSync(id),
      getNumOfTensors: () => eager.tensorCount,
    });
  }

  /** True when operations are being recorded instead of run. */
  get isRecording(): boolean {
    return this.recorder !== undefined;
  }

  /** Kinds of the devices that TensorFlow sees, such as `CPU` and `GPU`. */
  get devices(): readonly string[] {
    return this.eager.devices();
  }

  /** Device and processor on which sessions with these options compute. */
  placeOf({ device }: RuntimeOptions): Omit<Place, 'workers'> {
    const avx512 = hasAvx512();
    const oneDnn = usesOneDnn();
    if (!this.eager.usesGpu || gpusHiddenBy(device) !== undefined)
      return { devices: ['CPU'], avx512, oneDnn };
    const [least] = this.gpus.facts.gpus
      .map(({ computeCapability }) => computeCapability)
      .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    return { devices: this.devices, computeCapability: least, avx512, oneDnn };
  }

  /** Number of tensors that TensorFlow's eager runtime holds for us. */
  get eagerTensorCount(): number {
    return this.eager.tensorCount;
  }

  /** Runs `body` with every operation answered by `recorder`. Synchronous; cannot be nested. */
  record<T>(recorder: OpBinding, body: () => T): T {
    if (this.recorder !== undefined)
      throw new Error('A function is being traced already: a traced function cannot trace another.');
    return this.recordWithin(recorder, body);
  }

  /** Records apart from another recorder that is set, otherwise as `record`. */
  recordWithin<T>(recorder: OpBinding, body: () => T): T {
    const outer = this.recorder;
    this.recorder = recorder;
    try {
      return body();
    } finally {
      this.recorder = outer;
    }
  }

  override move(dataId: object, values: never, shape: number[], dtype: never, refCount: number): void {
    if (this.recorder !== undefined) refuseRandomValues();
    super.move(dataId, values, shape, dtype, refCount);
    if (this.recorder !== undefined) this.recordedData.add(dataId);
  }

  override getInputTensorIds(tensors: readonly TensorInfo[]): number[] {
    if (this.recorder !== undefined)
      for (const tensor of tensors) {
        if ('isDisposed' in tensor && tensor.isDisposed === true) throw usedDisposed();
        if (tensor instanceof tf.Variable) throw capturedVariable(tensor.name);
        if ('dataId' in tensor) this.settle(tensor.dataId);
      }
    return super.getInputTensorIds(tensors);
  }

  /** The binding's id of a tensor. */
  idOf(tensor: TensorInfo): number {
    return this.getInputTensorIds([tensor])[0]!;
  }

  /** Data type, shape and bytes of a tensor of the eager binding. */
  readEager(id: number): EagerValue {
    return this.eager.read(id);
  }

  /** Runs an operation by its TensorFlow name. Type attributes may be left out: TensorFlow infers them. */
  operation(
    name: string,
    inputs: readonly TensorInfo[],
    attributes: readonly OpAttribute[] = [],
    outputs = 1,
  ): Tensor[] {
    const results = this.binding.executeOp(name, attributes, this.getInputTensorIds(inputs), outputs);
    return results.map((metadata) => this.createOutputTensor(metadata));
  }

  /** Hands data that was written before tracing began to the eager binding, so that it outlives the trace. */
  private settle(dataId: object): void {
    const known = this.tensorMap.has(dataId);
    if (known && this.recordedData.has(dataId)) return;
    const record = this.tensorMap.get(dataId);
    if (!known) this.recordedData.delete(dataId);
    if (record.values === null) return;
    record.id = this.eager.createTensor(record.shape, record.dtype, record.values);
    record.values = null;
  }
}

function capturedVariable(name: string): Error {
  return untraceable(`The variable ${name} of tfjs, whose value would be kept as it is now,`, {
    remedy: 'Pass its value in as an input, or keep it in the session as one of the weights.',
  });
}

/** The rest of what tfjs-node's backend reads from its binding. */
function constants(eager: EagerBinding): object {
  return {
    TF_FLOAT: DataTypeCode.float32,
    TF_INT32: DataTypeCode.int32,
    TF_INT64: DataTypeCode.int64,
    TF_BOOL: DataTypeCode.bool,
    TF_COMPLEX64: DataTypeCode.complex64,
    TF_STRING: DataTypeCode.string,
    TF_RESOURCE: DataTypeCode.resource,
    TF_UINT8: DataTypeCode.uint8,
    TF_ATTR_STRING: AttributeKind.string,
    TF_ATTR_INT: AttributeKind.int,
    TF_ATTR_FLOAT: AttributeKind.float,
    TF_ATTR_BOOL: AttributeKind.bool,
    TF_ATTR_TYPE: AttributeKind.type,
    TF_ATTR_SHAPE: AttributeKind.shape,
    TF_Version: cApi().Version(),
    isUsingGpuDevice: () => eager.usesGpu,
    getNumOfSavedModels: () => 0,
  };
}

/** Answers for tensors of a trace that has ended: they have no values, and nothing to free. */
const outOfTrace: OpBinding = {
  createTensor: () => refuseRecorded(),
  executeOp: () => refuseRecorded(),
  tensorDataSync: () => refuseRecorded(),
  deleteTensor: () => undefined,
};

let backend: NativeBackend | undefined;

/** The GPUs of this process. */
export interface RegisteredGpus {
  /** Facts from the driver and the files. */
  readonly facts: GpuFacts;
  /** Libraries that TensorFlow's log reports missing; empty when it registered all GPUs. */
  readonly reasons: readonly string[];
}

/**
 * The process's native backend. The first call loads TensorFlow and registers the backend with tfjs under the
 * name `tensorflow`; only its options count. Throws as `cApi` does.
 */
export function nativeBackend(options: RuntimeOptions = {}): NativeBackend {
  checkRuntimeOptions(options);
  if (backend !== undefined) return backend;
  const created = registered(options);
  // A KernelBackend by its constructor, though its type leaves out members that tfjs-node declares as private.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
  tf.registerBackend('tensorflow', () => created, 3);
  void tf.setBackend('tensorflow');
  if (options.tf32 === false) allowTensorFloat32(false);
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
  replaceKernels();
  return (backend = created);
}

/** Makes TensorFlow look for devices, which it does once a process, when its first context is made. */
function registered(options: RuntimeOptions): NativeBackend {
  const { location } = cApi(options.device);
  const facts = gpuFacts(location, options.device);
  // What TensorFlow would register, but not be able to use, is hidden from it.
  const usable = facts.expected && facts.problems.length === 0;
  const bind = () => new EagerBinding(configProto(options, asTheyAre(!usable)));
  if (!usable) {
    // Without a GPU the CUDA build complains of it in every process; who needs to know is told what `facts` say.
    const binding = location.build === 'cuda' ? withoutLog(location.framework, bind) : bind();
    return new NativeBackend(binding, { facts, reasons: [] });
  }
  const closed = openCudaLibraries(location);
  configureXla(facts, options);
  if (options.deterministic === true) requireDeterminism();
  const { value, log } = keepingLog(location.framework, bind);
  quietFromNowOn(location.framework);
  return new NativeBackend(value, {
    facts: { ...facts, problems: closed },
    reasons: value.usesGpu ? [] : reasonsIn(log),
  });
}
