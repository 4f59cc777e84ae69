import type { Tensor, TensorInfo } from '@tensorflow/tfjs';
import { cApi, type Pointer, withStatus } from './c-api.js';
import { Graph, type Output, outputArray } from './graph.js';
import { pointers } from './native-memory.js';

/** `AttrValue { b (5): true }`, serialized. */
const attributeTrue = Uint8Array.of(0x28, 1);

/** Parts of a compiled function. Its body may be disposed of once the function is added. */
interface FunctionBody {
  readonly body: Graph;
  readonly inputs: readonly Output[];
  readonly outputs: readonly Output[];
  /** Operations that run though no output needs them. */
  readonly effects?: readonly Pointer[];
}

/** Makes what `body` computes from `inputs` an operation named `name` of `graph`, which XLA compiles as a whole before its first use. */
export function addCompiledFunction(
  graph: Graph,
  name: string,
  { body, inputs, outputs, effects = [] }: FunctionBody,
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
      effects.length,
      pointers(effects),
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

/** Adds a call of a compiled function. */
export function addCompiledCall(graph: Graph, name: string, inputs: readonly Output[]): Pointer {
  return graph.add(name, inputs, { [compiledAttribute]: { bool: true } });
}

/** Attribute of calls and of functions that XLA must compile. */
const compiledAttribute = '_XlaMustCompile';

/** A function of tensors and static values that becomes one operation. */
export interface FusedFunction {
  readonly name: string;
  readonly f: (...args: (TensorInfo | number | boolean)[]) => readonly Tensor[];
  /**
   * True when the function takes bfloat16 as products give it, and converts it within. Else it gets float32, which some
   * sums are faster of.
   */
  readonly takesHalf: boolean;
}

export type FusedArgument = Output | number | boolean;

/** Operations by graph, then by function, then by the signature of their arguments. */
const known = new WeakMap<Graph, Map<FusedFunction['f'], Map<string, string>>>();

/** Names are never used again in a process: XLA keeps what it has compiled by its name. */
let count = 0;

/**
 * Adds a call of a function to the graph and returns its outputs. Where the graph does not have the function for
 * such arguments, `trace` writes its body into a new graph and returns the body's results.
 */
export function addFusedCall(
  graph: Graph,
  { name, f }: FusedFunction,
  args: readonly FusedArgument[],
  trace: (body: Graph, inputs: readonly Output[]) => readonly Output[],
): Output[] {
  const operations = entry(
    entry(known, graph, () => new Map<FusedFunction['f'], Map<string, string>>()),
    f,
    () => new Map<string, string>(),
  );
  const tensors = args.filter((arg) => typeof arg === 'object');
  const operation = entry(operations, signatureOf(graph, args), () => {
    const unique = `${name}_${++count}`;
    const body = new Graph({ mixed: graph.mixed });
    try {
      const inputs = tensors.map((tensor) =>
        body.node('Placeholder', [], {
          dtype: { type: graph.dataTypeOf(tensor) },
          shape: { shape: graph.shapeOf(tensor) },
        }),
      );
      addCompiledFunction(graph, unique, { body, inputs, outputs: trace(body, inputs) });
    } finally {
      body.dispose();
    }
    return unique;
  });
  return graph.outputs(addCompiledCall(graph, operation, tensors));
}

function signatureOf(graph: Graph, args: readonly FusedArgument[]): string {
  return args
    .map((arg) => (typeof arg === 'object' ? `${graph.dataTypeOf(arg)}[${graph.shapeOf(arg).join()}]` : arg))
    .join(' ');
}

function entry<K extends object | string, V>(
  map: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
