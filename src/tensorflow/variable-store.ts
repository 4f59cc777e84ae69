import { type HostTensor, sizeOf } from './data-types.js';
import type { Output } from './graph.js';
import type { Session, SessionVariable } from './session.js';

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
  async write(valueOf: (variable: SessionVariable) => HostTensor | Promise<HostTensor>): Promise<void> {
    if (this.written && this.variables.some(({ constant }) => constant))
      throw new Error('Constants of a session are written once: products may keep copies of them.');
    this.written = true;
    let writing: Promise<unknown> = Promise.resolve();
    try {
      for (const { variables, placeholders, assigns } of this.writePortions) {
        // Made while the portion before is written.
        const values = await Promise.all(
          variables.map(async (variable) => fitting(variable, await valueOf(variable))),
        );
        await writing;
        writing = this.session.run(
          values.map((value, i) => [placeholders[i]!, value]),
          [],
          assigns,
        );
        // Where the next portion cannot be made, its error is told.
        writing.catch(() => undefined);
      }
    } finally {
      await writing;
    }
  }
}

function fitting({ name, shape }: SessionVariable, value: HostTensor): HostTensor {
  if (sizeOf(value.shape) !== sizeOf(shape))
    throw new RangeError(`${name} has shape [${shape.join(', ')}], found [${value.shape.join(', ')}].`);
  return { ...value, shape };
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
