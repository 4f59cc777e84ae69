import { createRequire } from 'node:module';
import { tf } from '../tfjs.js';
import { backwardKernels } from './backward-kernels.js';
import { borrowedKernels } from './borrowed-kernels.js';

const require = createRequire(import.meta.url);

/** Makes tfjs's WebAssembly backend the current one, with the kernels that it lacks added. */
export async function startWasm(): Promise<void> {
  if (tf.getBackend() === 'wasm') return;
  require('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm'))) throw new Error('The WebAssembly backend of tfjs does not start.');
  const present = new Set(tf.getKernelsForBackend('wasm').map(({ kernelName }) => kernelName));
  for (const kernel of [...backwardKernels, ...borrowedKernels()])
    if (!present.has(kernel.kernelName)) tf.registerKernel(kernel);
}
