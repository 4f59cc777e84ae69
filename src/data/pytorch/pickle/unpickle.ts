import { Cursor } from './cursor.js';
import { Machine, PickleError, type PickleHost } from './machine.js';
import { opcodes, stopCode } from './opcodes.js';

/**
 * Reads one pickle without executing anything: globals mean what `host` says, and nothing else.
 * Dictionaries come as `Map`, lists, tuples and sets as arrays.
 *
 * @param start where the pickle begins.
 * @returns the value, and where the pickle ends.
 * @throws PickleError when it does not follow the format; PickleEndError when the bytes end before it does.
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
): { value: unknown; end: number } {
  const machine = new Machine(host);
  const cursor = new Cursor(bytes, start);
  for (;;) {
    const code = cursor.uint8();
    if (code === stopCode) return { value: machine.pop(), end: cursor.position };
    const run = opcodes[code];
    if (!run)
      throw new PickleError(
        `the operation 0x${code.toString(16)} at byte ${cursor.position - 1} is not known`,
      );
    run(machine, cursor);
  }
}
