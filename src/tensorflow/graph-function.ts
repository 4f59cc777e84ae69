import { withStatus, cApi, type Pointer } from './c-api.js';
import { type Graph, type Output, outputArray } from './graph.js';

/** `AttrValue { b (5): true }`, serialized. */
const attributeTrue = Uint8Array.of(0x28, 1);

/**
 * Makes what `body` computes from `inputs` an operation named `name` of `graph`, which XLA compiles as a whole
 * before its first use. `body` may be disposed of afterwards.
 */
export function addCompiledFunction(
  graph: Graph,
  name: string,
  body: Graph,
  { inputs, outputs }: { readonly inputs: readonly Output[]; readonly outputs: readonly Output[] },
): void {
  const c = cApi();
  const everyOperation = -1;
  const definition: Pointer = withStatus((status) =>
    c.GraphToFunction(
      body.pointer,
      name,
      0,
      everyOperation,
      null,
      inputs.length,
      outputArray(inputs),
      outputs.length,
      outputArray(outputs),
      null,
      null,
      null,
      status,
    ),
  );
  try {
    withStatus((status) => {
      c.FunctionSetAttrValueProto(definition, compiledAttribute, attributeTrue, attributeTrue.length, status);
    });
    withStatus((status) => {
      c.GraphCopyFunction(graph.pointer, definition, null, status);
    });
  } finally {
    c.DeleteFunction(definition);
  }
}

/** Attribute of calls and of functions that XLA must compile. */
export const compiledAttribute = '_XlaMustCompile';
