import type { RuntimeConfig } from '../pipeline/stage.js';
import { findNvidiaDriver } from '../tensorflow/library/nvidia-driver.js';

/** Environment of a worker that shares this machine with others: each has one of its GPUs, where there are any. */
export function deviceEnvironment(
  device: RuntimeConfig['device'],
  rank: number,
  env: NodeJS.ProcessEnv = process.env,
): Readonly<Record<string, string>> {
  if (device === 'cpu' || findNvidiaDriver(env) === undefined) return {};
  const visible = env.CUDA_VISIBLE_DEVICES?.split(',').filter((name) => name.trim() !== '');
  if (visible === undefined) return { CUDA_VISIBLE_DEVICES: String(rank) };
  return visible.length === 0 ? {} : { CUDA_VISIBLE_DEVICES: visible[rank % visible.length]! };
}
