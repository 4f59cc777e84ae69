import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAbortError } from '../../base/streams.js';
import { numbersIn, type Parameter } from '../../nn/parameter.js';
import type { StageRate } from '../../runner/stage.js';
import type { WriteOptions } from '../../weights/write.js';

/** Time for which weights are written to measure it. */
const measuredMs = 700;

/**
 * Measures how fast weights are taken from a file that was opened since `start`: writes them to a folder that is removed
 * again, until there are enough. A unit is a number of a weight.
 *
 * @param parameters tensors in the order in which `write` writes them
 */
export async function measureTaking(
  start: number,
  parameters: readonly Parameter[],
  write: (directory: string, options: WriteOptions) => Promise<void>,
): Promise<StageRate> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-rate-'));
  const enough = new AbortController();
  const ready = performance.now();
  let written = 0;
  const tell = (): void => {
    written++;
    if (performance.now() - ready > measuredMs) enough.abort();
  };
  try {
    await write(folder, { tell, signal: enough.signal }).catch((error: unknown) => {
      if (!isAbortError(error)) throw error;
    });
    return {
      setupSeconds: (ready - start) / 1000,
      unitSeconds: (performance.now() - ready) / 1000 / numbersIn(parameters.slice(0, written)),
      amount: numbersIn(parameters),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
