import { nativeInterface } from '../base/native-interface.js';
import { cApi } from './c-api.js';

// TensorFlow's C API has no function for this: these are of C++, `tsl::enable_tensor_float_32_execution(bool)` and its kin.
const setter = 'void _ZN3tsl32enable_tensor_float_32_executionEb(bool)';
const getter = 'bool _ZN3tsl33tensor_float_32_execution_enabledEv()';

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

function framework() {
  return nativeInterface().load(cApi().location.framework);
}
