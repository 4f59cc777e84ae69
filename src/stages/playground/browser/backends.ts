import { env } from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgl';
import '@tensorflow/tfjs-backend-webgpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import 'virtual:kernels';
import { tf } from '../../../tensorflow/index.js';
import type { BackendName } from '../description.js';

const wasmFiles = [
  'tfjs-backend-wasm.wasm',
  'tfjs-backend-wasm-simd.wasm',
  'tfjs-backend-wasm-threaded-simd.wasm',
];

/**
 * Makes a backend of tfjs the current one.
 *
 * @param wasm bytes of tfjs's WebAssembly: nothing is fetched
 */
export async function startBackend(name: BackendName, wasm: ArrayBuffer): Promise<void> {
  if (name === 'wasm') {
    env().platform.fetch = () =>
      Promise.resolve(new Response(wasm, { headers: { 'Content-Type': 'application/wasm' } }));
    setWasmPaths(Object.fromEntries(wasmFiles.map((file) => [file, file])), true);
  }
  if (!(await tf.setBackend(name))) throw new Error(`${name} does not start here.`);
  await tf.ready();
}
