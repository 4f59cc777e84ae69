import { openTensors } from '../formats/safetensors/shards.js';
import type { Parameter } from '../nn/parameter.js';
import { float32, openStore, type ProgramSession, type ProgramVariable } from '../tensorflow/index.js';

/** Makes variables of a model's parameters in a session and sets them from a file of tensors of the same names. */
export async function loadWeights(
  session: ProgramSession,
  parameters: readonly Parameter[],
  path: string,
): Promise<Record<string, ProgramVariable>> {
  const variables = parameters.map(({ name, shape }) => session.variable(name, shape));
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
