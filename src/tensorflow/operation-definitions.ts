import { type Output, type Pointer, cApi, throwUnlessOk } from './c-api.js';
import { readBuffer } from './native-memory.js';
import { type InputDefinition, decodeInputs } from './protobuf.js';

/** What an operation's definition says about its inputs. */
export class OperationDefinition {
  /** Attributes that follow from the inputs and need not be given. */
  readonly inferred: ReadonlySet<string>;

  constructor(
    private readonly name: string,
    private readonly inputs: readonly InputDefinition[],
  ) {
    this.inferred = new Set(
      inputs
        .flatMap(({ typeAttr, numberAttr, typeListAttr }) => [typeAttr, numberAttr, typeListAttr])
        .filter(Boolean),
    );
  }

  /** Splits a flat list of inputs into single ones and lists, as the definition has them. */
  group(flat: readonly Output[]): (Output | Output[])[] {
    const lists = this.inputs.filter(isList).length;
    if (lists === 0) return [...flat];
    const inLists = flat.length - (this.inputs.length - lists);
    if (inLists < 0 || inLists % lists !== 0)
      throw new RangeError(`${this.name} cannot take ${flat.length} inputs.`);
    let next = 0;
    return this.inputs.map((input) => {
      if (!isList(input)) return flat[next++]!;
      const start = next;
      next += inLists / lists;
      return flat.slice(start, next);
    });
  }
}

/** Operation definitions of the loaded library, read once each. */
export class OperationDefinitions {
  private readonly known = new Map<string, OperationDefinition>();

  constructor(private readonly graph: Pointer) {}

  /** The definition of an operation; throws a TensorFlowError where there is none of that name. */
  of(name: string): OperationDefinition {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const definition = new OperationDefinition(name, decodeInputs(this.read(name)));
    this.known.set(name, definition);
    return definition;
  }

  private read(name: string): Uint8Array {
    const c = cApi();
    const buffer = c.NewBuffer();
    const status = c.NewStatus();
    try {
      c.GraphGetOpDef(this.graph, name, buffer, status);
      throwUnlessOk(status);
      return readBuffer(buffer);
    } finally {
      c.DeleteStatus(status);
      c.DeleteBuffer(buffer);
    }
  }
}

function isList({ numberAttr, typeListAttr }: InputDefinition): boolean {
  return numberAttr !== '' || typeListAttr !== '';
}
