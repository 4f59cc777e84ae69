import { type HostTensor, sizeOf } from './data-types.js';
import type { Output } from './graph.js';
import { hostValue, isMade, type MadeTensor, type TensorValue } from './made-tensor.js';
import type { Feed, Session, SessionVariable } from './session.js';
import { trace } from './trace.js';

/**
 * Variables are moved in portions of about so many bytes: memory stays bounded and calls stay few. What was moved is
 * garbage that may stay for long. A portion that is first read costs a preparation of the whole graph where TensorFlow
 * rewrites it; one that is first written costs little, as there are no steps in the graph yet.
 */
const portionBytes = { read: 64 * 2 ** 20, readOfRewritten: 256 * 2 ** 20, write: 32 * 2 ** 20 } as const;

interface ReadPortion {
  readonly variables: readonly SessionVariable[];
  readonly reads: readonly Output[];
}

interface WritePortion {
  readonly variables: readonly SessionVariable[];
  readonly placeholders: readonly Output[];
  readonly assigns: readonly bigint[];
}

/**
 * Moves the values of many variables between a session and JavaScript, a portion at a time.
 *
 * Make it before the session's first run: nodes that are added later make TensorFlow prepare the whole graph again.
 */
export class VariableStore {
  private readonly readPortions: readonly ReadPortion[];
  private readonly writePortions: readonly WritePortion[];
  private written = false;

  constructor(
    private readonly session: Session,
    readonly variables: readonly SessionVariable[],
  ) {
    this.readPortions = split(
      variables,
      session.rewritten ? portionBytes.readOfRewritten : portionBytes.read,
    ).map((portion) => ({
      variables: portion,
      reads: portion.map((variable) => session.graph.cast(variable.read(), 'float32')),
    }));
    this.writePortions = split(variables, portionBytes.write).map((portion) => {
      const placeholders = portion.map(({ shape }) => session.graph.placeholder('float32', shape));
      return {
        variables: portion,
        placeholders,
        assigns: portion.map((variable, i) => variable.assign(placeholders[i]!)),
      };
    });
  }

  /** Every variable with its value, in order. */
  async *read(): AsyncGenerator<readonly [SessionVariable, HostTensor]> {
    for (const { variables, reads } of this.readPortions) {
      const values = await this.session.run([], reads);
      for (const [i, variable] of variables.entries()) yield [variable, values[i]!];
    }
  }

  /** Sets every variable to what `valueOf` gives for it. Constants are set once. */
  async write(valueOf: (variable: SessionVariable) => TensorValue | Promise<TensorValue>): Promise<void> {
    if (this.written && this.variables.some(({ constant }) => constant))
      throw new Error('Constants of a session are written once: products may keep copies of them.');
    this.written = true;
    const made: Made[] = [];
    const makes = makesValues(this.session);
    let writing: Promise<unknown> = Promise.resolve();
    try {
      for (const { variables, placeholders, assigns } of this.writePortions) {
        const feeds: Feed[] = [];
        const targets: bigint[] = [];
        // Made while the portion before is written.
        const values = await Promise.all(variables.map(async (variable) => valueOf(variable)));
        for (const [i, value] of values.entries()) {
          const variable = variables[i]!;
          if (isMade(value) && makes) made.push({ variable, value });
          else {
            feeds.push([placeholders[i]!, fitting(variable, hostValue(value))]);
            targets.push(assigns[i]!);
          }
        }
        await writing;
        if (targets.length === 0) continue;
        writing = this.session.run(feeds, [], targets);
        // Where the next portion cannot be made, its error is told.
        writing.catch(() => undefined);
      }
    } finally {
      await writing;
    }
    if (made.length > 0) await make(this.session, made);
  }
}

interface Made {
  readonly variable: SessionVariable;
  readonly value: MadeTensor;
}

/** True when a session computes a value to the same bits as the eager runtime. */
const makesValues = ({ onGpu, compiles }: Session): boolean => !onGpu && !compiles;

/** Computes values in a session, which keeps them as they come: nothing is copied. */
async function make(session: Session, made: readonly Made[]): Promise<void> {
  const feeds: Feed[] = [];
  const targets = made.map(({ variable, value: { program, inputs: given } }) => {
    const { inputs, outputs } = trace(session, program, given);
    for (const [name, value] of Object.entries(given)) feeds.push([inputs[name]!, value]);
    checkSize(variable, session.graph.shapeOf(outputs.value!));
    return variable.assign(outputs.value!);
  });
  await session.run(feeds, [], targets);
}

function fitting(variable: SessionVariable, value: HostTensor): HostTensor {
  checkSize(variable, value.shape);
  return { ...value, shape: variable.shape };
}

function checkSize({ name, shape }: SessionVariable, found: readonly number[]): void {
  if (sizeOf(found) !== sizeOf(shape))
    throw new RangeError(`${name} has shape [${shape.join(', ')}], found [${found.join(', ')}].`);
}

function split(variables: readonly SessionVariable[], most: number): SessionVariable[][] {
  const portions: SessionVariable[][] = [];
  let bytes = Infinity;
  for (const variable of variables) {
    const own = 4 * sizeOf(variable.shape);
    if (bytes + own > most) {
      portions.push([]);
      bytes = 0;
    }
    portions.at(-1)!.push(variable);
    bytes += own;
  }
  return portions;
}
