import { writeSafetensors } from '../../data/safetensors/index.js';
import type { Parameter } from '../../nn/parameters.js';
import type { HostTensor } from '../../tensorflow/index.js';

/** Called after each tensor that was written. */
export type Tell = (done: number, total: number) => void;

/**
 * Writes parameters as safetensors under our names, one tensor at a time in memory.
 *
 * @param written called after each
 * @throws the signal's reason between two tensors when it is aborted
 */
export async function writeParameters(
  path: string,
  parameters: readonly Parameter[],
  read: (parameter: Parameter) => Promise<HostTensor>,
  { written, signal }: { readonly written: () => void; readonly signal: AbortSignal },
): Promise<void> {
  await writeSafetensors(
    path,
    parameters.map((parameter) => ({
      name: parameter.name,
      dtype: 'F32' as const,
      shape: parameter.shape,
      data: async () => {
        signal.throwIfAborted();
        const { data } = await read(parameter);
        written();
        return data;
      },
    })),
  );
}
