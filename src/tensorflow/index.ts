/** The one door to tfjs and to the native TensorFlow under it. */
export { tf } from './tfjs.js';
export type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs';
export { nativeBackend } from './native-backend.js';
export type { RuntimeOptions } from './runtime-options.js';
export * from './data-types.js';
export { TensorFlowError } from './c-api.js';
export { asFactor, asFloat } from './pieces.js';
export {
  after,
  choose,
  compiledWhole,
  fusesInTraining,
  geluOfProduct,
  normalizedRows,
  productOfConstant,
  softmaxAsFactor,
} from './pieces.js';
export { fused } from './pieces.js';
export { fusedAttention, fusedAttentionGradient, fusesAttention } from './fused-attention.js';
export { type Output, Graph } from './graph.js';
export { type Feed, Session, SessionVariable, type VariableUse, engineNotices } from './session.js';
export { firstRun } from './first-run.js';
export { type WorkerGroup, WorkerServer } from './worker-server.js';
export { socketAddresses } from './socket-exchange.js';
export { meanOverWorkers } from './collectives.js';
export type { OperationStats, StepStats } from './profile.js';
export { type Recording, recordSteps } from './profile.js';
export { type OperationCost, chromeTrace, costliest, operationCosts } from './profile.js';
export { type MadeTensor, type TensorValue } from './made-tensor.js';
export { VariableStore } from './variable-store.js';
export { type BatchAxes, resized } from './compile.js';
export { type CompileOptions, type Compiled, CompiledProgram, compile } from './compile.js';
export { EagerSession, EagerStore, EagerVariable } from './eager-session.js';
export { type EngineChoice, type EngineKind, chooseEngine } from './engine-choice.js';
export {
  type Engine,
  type ProgramSession,
  type ProgramStore,
  type ProgramVariable,
  engineKind,
  openSession,
  newVariables,
  openStore,
  startEngine,
} from './engine.js';
export { matmulRate } from './engine.js';
export { forgetPeakGpuMemory, type GpuMemory, gpuMemory } from './gpu-memory.js';
export { forgetPeakMemory, peakMemoryBytes } from './native-memory.js';
export { fromHost } from './host-tensors.js';
export { tidy } from './host-tensors.js';
export { type Static, type TensorSpec, checkInputs } from './signature.js';
export { runEagerly } from './engine.js';
export {
  type HostRecord,
  type HostTensors,
  type Program,
  type Tensors,
  type Trace,
  type Variables,
  mapValues,
  withoutPrefix,
  trace,
  traceUpdate,
} from './trace.js';
export { randomNormal, randomUniform, streamKey } from './random.js';
