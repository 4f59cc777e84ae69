import { nativeInterface } from '../base/native-interface.js';
import { cApi } from './c-api.js';

// TensorFlow's C API has no functions for these: they are of C++, `tsl::enable_tensor_float_32_execution(bool)` and its kin.
const setter = 'void _ZN3tsl32enable_tensor_float_32_executionEb(bool)';
const getter = 'bool _ZN3tsl33tensor_float_32_execution_enabledEv()';
const determinism = 'void _ZN3tsl19EnableOpDeterminismEb(bool)';

/**
 * Sets, for the process, whether float32 matrix products and convolutions on NVIDIA GPUs of 2020 and later may round
 * their factors to TF32's ten bits, which is several times faster. TensorFlow begins with it on.
 */
export function allowTensorFloat32(allowed: boolean): void {
  framework().func(setter)(allowed);
}

export function isTensorFloat32Allowed(): boolean {
  return framework().func(getter)() as boolean;
}

/**
 * Lets TensorFlow choose, for the process, only kernels that give the same bits in every run on the same GPU: it then
 * times none against each other. An operation that has no such kernel fails.
 */
export function requireDeterminism(): void {
  // TensorFlow would time deterministic kernels against each other, and which is the fastest differs from run to run.
  process.env.TF_CUDNN_USE_AUTOTUNE = '0';
  process.env.TF_MATMUL_AUTOTUNE_ENABLE = '0';
  framework().func(determinism)(true);
}

function framework() {
  return nativeInterface().load(cApi().location.framework);
}
