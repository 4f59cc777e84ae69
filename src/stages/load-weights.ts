import { openSafetensors } from '../data/safetensors/index.js';
import type { Parameter } from '../nn/parameters.js';
import { type Session, type SessionVariable, VariableStore, float32 } from '../tensorflow/index.js';

/** Makes variables of a model's parameters in a session and sets them from a file of tensors of the same names. */
export async function loadWeights(
  session: Session,
  parameters: readonly Parameter[],
  path: string,
): Promise<Record<string, SessionVariable>> {
  const variables = parameters.map(({ name, shape }) => session.variable(name, shape));
  const file = await openSafetensors(path);
  try {
    await new VariableStore(session, variables).write(async ({ name, shape }) =>
      float32(shape, await file.readFloat32(name)),
    );
  } finally {
    await file.close();
  }
  return Object.fromEntries(variables.map((variable) => [variable.name, variable]));
}
