import { UserError } from '../base/errors.js';
import { keepOpen, nativeInterface } from '../base/native-interface.js';
import type { Device } from './install/device-choice.js';
import { type LibraryLocation, libraryMissing, locateLibrary } from './install/locate.js';
import { pinnedRelease } from './install/pinned-release.js';
import { setupCommand } from './install/platform.js';
import { requireAddressSpace } from './out-of-memory.js';
import { loadQuietly } from './native-log.js';

/** An address in native memory; 0n is null. */
export type Pointer = bigint;

/** One output of a node: `TF_Output`. */
export interface Output {
  readonly operation: Pointer;
  readonly index: number;
}

/**
 * The functions of TensorFlow's C API (`tensorflow/c/c_api.h`, `c/eager/c_api.h`) that we call, by their names
 * without the `TF_` prefix. `void*` stands for each opaque pointer; arrays are passed as views of off-heap memory.
 */
const prototypes = {
  Version: 'const char* TF_Version()',
  NewStatus: 'void* TF_NewStatus()',
  DeleteStatus: 'void TF_DeleteStatus(void*)',
  GetCode: 'int TF_GetCode(void*)',
  Message: 'const char* TF_Message(void*)',

  AllocateTensor: 'void* TF_AllocateTensor(int, const void*, int, size_t)',
  DeleteTensor: 'void TF_DeleteTensor(void*)',
  TensorData: 'void* TF_TensorData(void*)',
  TensorByteSize: 'size_t TF_TensorByteSize(void*)',
  TensorType: 'int TF_TensorType(void*)',
  NumDims: 'int TF_NumDims(void*)',
  Dim: 'int64_t TF_Dim(void*, int)',
  StringInit: 'void TF_StringInit(void*)',
  StringCopy: 'void TF_StringCopy(void*, const void*, size_t)',
  StringAssignView: 'void TF_StringAssignView(void*, const void*, size_t)',
  StringGetDataPointer: 'void* TF_StringGetDataPointer(const void*)',
  StringGetSize: 'size_t TF_StringGetSize(const void*)',

  NewGraph: 'void* TF_NewGraph()',
  DeleteGraph: 'void TF_DeleteGraph(void*)',
  NewOperation: 'void* TF_NewOperation(void*, const char*, const char*)',
  SetDevice: 'void TF_SetDevice(void*, const char*)',
  AddInput: 'void TF_AddInput(void*, TF_Output)',
  AddInputList: 'void TF_AddInputList(void*, const void*, int)',
  AddControlInput: 'void TF_AddControlInput(void*, void*)',
  SetAttrString: 'void TF_SetAttrString(void*, const char*, const void*, size_t)',
  SetAttrStringList: 'void TF_SetAttrStringList(void*, const char*, const char**, const void*, int)',
  SetAttrInt: 'void TF_SetAttrInt(void*, const char*, int64_t)',
  SetAttrIntList: 'void TF_SetAttrIntList(void*, const char*, const void*, int)',
  SetAttrFloat: 'void TF_SetAttrFloat(void*, const char*, float)',
  SetAttrFloatList: 'void TF_SetAttrFloatList(void*, const char*, const void*, int)',
  SetAttrBool: 'void TF_SetAttrBool(void*, const char*, uint8_t)',
  SetAttrBoolList: 'void TF_SetAttrBoolList(void*, const char*, const void*, int)',
  SetAttrType: 'void TF_SetAttrType(void*, const char*, int)',
  SetAttrTypeList: 'void TF_SetAttrTypeList(void*, const char*, const void*, int)',
  SetAttrShape: 'void TF_SetAttrShape(void*, const char*, const void*, int)',
  SetAttrShapeList: 'void TF_SetAttrShapeList(void*, const char*, const int64_t**, const void*, int)',
  SetAttrTensor: 'void TF_SetAttrTensor(void*, const char*, void*, void*)',
  FinishOperation: 'void* TF_FinishOperation(void*, void*)',
  GraphToFunction:
    'void* TF_GraphToFunctionWithControlOutputs(void*, const char*, uint8_t, int, const void*, int, const void*, int, const void*, const void*, int, const void*, const void*, void*, const char*, void*)',
  FunctionSetAttrValueProto:
    'void TF_FunctionSetAttrValueProto(void*, const char*, const void*, size_t, void*)',
  GraphCopyFunction: 'void TF_GraphCopyFunction(void*, void*, void*, void*)',
  DeleteFunction: 'void TF_DeleteFunction(void*)',
  NewImportGraphDefOptions: 'void* TF_NewImportGraphDefOptions()',
  DeleteImportGraphDefOptions: 'void TF_DeleteImportGraphDefOptions(void*)',
  ImportGraphDefOptionsAddInputMapping:
    'void TF_ImportGraphDefOptionsAddInputMapping(void*, const char*, int, TF_Output)',
  GraphImportGraphDef: 'void TF_GraphImportGraphDef(void*, void*, void*, void*)',
  GraphOperationByName: 'void* TF_GraphOperationByName(void*, const char*)',
  OperationNumInputs: 'int TF_OperationNumInputs(void*)',
  OperationAllInputs: 'void TF_OperationAllInputs(void*, void*, int)',
  GraphGetOpDef: 'void TF_GraphGetOpDef(void*, const char*, void*, void*)',
  NewBuffer: 'void* TF_NewBuffer()',
  NewBufferFromString: 'void* TF_NewBufferFromString(const void*, size_t)',
  DeleteBuffer: 'void TF_DeleteBuffer(void*)',
  OperationNumOutputs: 'int TF_OperationNumOutputs(void*)',
  OperationOutputType: 'int TF_OperationOutputType(TF_Output)',
  GraphGetTensorNumDims: 'int TF_GraphGetTensorNumDims(void*, TF_Output, void*)',
  GraphGetTensorShape: 'void TF_GraphGetTensorShape(void*, TF_Output, void*, int, void*)',

  NewSessionOptions: 'void* TF_NewSessionOptions()',
  DeleteSessionOptions: 'void TF_DeleteSessionOptions(void*)',
  SetConfig: 'void TF_SetConfig(void*, const void*, size_t, void*)',
  SetTarget: 'void TF_SetTarget(void*, const char*)',
  NewSession: 'void* TF_NewSession(void*, void*, void*)',
  CloseSession: 'void TF_CloseSession(void*, void*)',
  DeleteSession: 'void TF_DeleteSession(void*, void*)',
  SessionRun:
    'void TF_SessionRun(void*, void*, const void*, const void*, int, const void*, void*, int, const void*, int, void*, void*)',
  NewServer: 'void* TF_NewServer(const void*, size_t, void*)',
  ServerStart: 'void TF_ServerStart(void*, void*)',
  ServerTarget: 'const char* TF_ServerTarget(void*)',

  DeleteDeviceList: 'void TF_DeleteDeviceList(void*)',
  DeviceListCount: 'int TF_DeviceListCount(void*)',
  DeviceListType: 'const char* TF_DeviceListType(void*, int, void*)',

  EagerNewContextOptions: 'void* TFE_NewContextOptions()',
  EagerContextOptionsSetConfig: 'void TFE_ContextOptionsSetConfig(void*, const void*, size_t, void*)',
  EagerDeleteContextOptions: 'void TFE_DeleteContextOptions(void*)',
  EagerNewContext: 'void* TFE_NewContext(void*, void*)',
  EagerContextListDevices: 'void* TFE_ContextListDevices(void*, void*)',
  EagerNewOp: 'void* TFE_NewOp(void*, const char*, void*)',
  EagerDeleteOp: 'void TFE_DeleteOp(void*)',
  EagerOpAddInput: 'void TFE_OpAddInput(void*, void*, void*)',
  EagerExecute: 'void TFE_Execute(void*, void*, void*, void*)',
  EagerNewTensorHandle: 'void* TFE_NewTensorHandle(void*, void*)',
  EagerDeleteTensorHandle: 'void TFE_DeleteTensorHandle(void*)',
  EagerTensorHandleResolve: 'void* TFE_TensorHandleResolve(void*, void*)',
  EagerTensorHandleDataType: 'int TFE_TensorHandleDataType(void*)',
  EagerTensorHandleNumDims: 'int TFE_TensorHandleNumDims(void*, void*)',
  EagerTensorHandleDim: 'int64_t TFE_TensorHandleDim(void*, int, void*)',
  EagerOpSetAttrString: 'void TFE_OpSetAttrString(void*, const char*, const void*, size_t)',
  EagerOpSetAttrInt: 'void TFE_OpSetAttrInt(void*, const char*, int64_t)',
  EagerOpSetAttrIntList: 'void TFE_OpSetAttrIntList(void*, const char*, const void*, int)',
  EagerOpSetAttrFloat: 'void TFE_OpSetAttrFloat(void*, const char*, float)',
  EagerOpSetAttrFloatList: 'void TFE_OpSetAttrFloatList(void*, const char*, const void*, int)',
  EagerOpSetAttrBool: 'void TFE_OpSetAttrBool(void*, const char*, uint8_t)',
  EagerOpSetAttrBoolList: 'void TFE_OpSetAttrBoolList(void*, const char*, const void*, int)',
  EagerOpSetAttrType: 'void TFE_OpSetAttrType(void*, const char*, int)',
  EagerOpSetAttrShape: 'void TFE_OpSetAttrShape(void*, const char*, const void*, int, void*)',
} as const;

interface NativeFunction {
  (...args: unknown[]): unknown;
  async(...args: unknown[]): void;
}

type Returns<P extends string> = P extends `void* ${string}`
  ? Pointer
  : P extends `const char* ${string}`
    ? string
    : P extends `void ${string}`
      ? undefined
      : number;

export type CApi = {
  readonly [K in keyof typeof prototypes]: ((...args: unknown[]) => Returns<(typeof prototypes)[K]>) &
    Pick<NativeFunction, 'async'>;
} & {
  readonly location: LibraryLocation;
  readonly memcpy: (to: unknown, from: unknown, bytes: number) => void;
};

let loaded: CApi | undefined;

/**
 * TensorFlow's C API, loaded on first use.
 *
 * Throws `tensorflow-missing` where the library is not set up, `tensorflow-unloadable` where it cannot be
 * loaded, `tensorflow-version` where it is another release than the one that we are built for.
 */
export function cApi(device?: Device): CApi {
  // Of the options only a GPU that is asked for says which build to take; otherwise the machine and the set-up do.
  return (loaded ??= load(locateLibrary(device === 'gpu' ? { device } : {})));
}

/** The same on another thread of the process, for the library that is loaded already. */
export function attachedApi(location: LibraryLocation): CApi {
  return (loaded ??= bind(location));
}

function load(location: LibraryLocation | undefined): CApi {
  if (location === undefined) throw libraryMissing();
  requireAddressSpace();
  chooseKernels();
  try {
    loadQuietly(() => keepOpen(location.cc, 'now'));
    const api = bind(location);
    checkVersion(api.Version(), location);
    return api;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError({
      code: 'tensorflow-unloadable',
      message: `The native TensorFlow library in ${location.directory} cannot be loaded: ${(error as Error).message}`,
      remedy: `Delete that folder and run \`${setupCommand}\`.`,
      cause: error,
    });
  }
}

function bind(location: LibraryLocation): CApi {
  const koffi = nativeInterface();
  koffi.struct('TF_Output', { operation: 'void*', index: 'int' });
  const library = koffi.load(location.cc);
  const memcpy = koffi
    .load(process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6')
    .func('void* memcpy(void*, const void*, size_t)');
  const functions = Object.fromEntries(
    Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)]),
  );
  return { ...functions, memcpy, location } as unknown as CApi;
}

/**
 * Makes oneDNN compute matrix products, whose kernels suit the processor that they run on. TensorFlow does so by itself
 * only where there is AVX-512 or more. Heeded when the library loads.
 */
function chooseKernels(): void {
  if (process.arch === 'x64') process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
}

/** True when oneDNN computes matrix products, unless it was turned off. */
export function usesOneDnn(): boolean {
  return process.arch === 'x64' && !['0', 'false'].includes(process.env.TF_ENABLE_ONEDNN_OPTS ?? '');
}

/** @throws UserError `tensorflow-version` where the library is another release than the one that we are built for. */
function checkVersion(found: string, location: Pick<LibraryLocation, 'directory'>): void {
  if (found !== pinnedRelease.version)
    throw new UserError({
      code: 'tensorflow-version',
      message: `The library in ${location.directory} is TensorFlow ${found}; this release needs ${pinnedRelease.version}.`,
      remedy: `Run \`${setupCommand}\`, or point PIPELINE_TENSORFLOW at a folder with the right one.`,
    });
}

/** An error that TensorFlow reported, with its status code. */
export class TensorFlowError extends Error {
  override readonly name = 'TensorFlowError';
  constructor(
    message: string,
    readonly statusCode: number,
  ) {
    super(message);
  }
}

/** Calls `use` with a fresh status and throws what TensorFlow reported in it. */
export function withStatus<T>(use: (status: Pointer) => T): T {
  const c = cApi();
  const status = c.NewStatus();
  try {
    const result = use(status);
    throwUnlessOk(status);
    return result;
  } finally {
    c.DeleteStatus(status);
  }
}

/** Throws a TensorFlowError where `status` is not OK. */
export function throwUnlessOk(status: Pointer): void {
  const c = cApi();
  const code = c.GetCode(status);
  if (code !== 0) throw new TensorFlowError(c.Message(status), code);
}
