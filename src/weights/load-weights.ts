import { openTensors } from '../formats/safetensors/shards.js';
import type { Parameter } from '../nn/parameter.js';
import {
  float32,
  newVariables,
  openStore,
  type ProgramSession,
  type ProgramVariable,
} from '../tensorflow/index.js';

/**
 * Makes variables of a model's parameters in a session and sets them, once and for all, from a file of tensors of the
 * same names. Where products compute in bfloat16, what they alone take is kept so.
 */
export async function loadWeights(
  session: ProgramSession,
  parameters: readonly Parameter[],
  path: string,
): Promise<Record<string, ProgramVariable>> {
  const variables = newVariables(session, parameters);
  const file = await openTensors(path);
  try {
    await openStore(session, variables).write(async ({ name, shape }) =>
      float32(shape, await file.readFloat32(name)),
    );
  } finally {
    await file.close();
  }
  return Object.fromEntries(variables.map((variable) => [variable.name, variable]));
}
