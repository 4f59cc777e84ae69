import { Cursor, Machine, PickleError, type PickleHost } from './pickle-machine.js';

type Opcode = (machine: Machine, cursor: Cursor) => void;

const push =
  (read: (cursor: Cursor) => unknown): Opcode =>
  (machine, cursor) => {
    machine.push(read(cursor));
  };

const tuple =
  (length: number): Opcode =>
  (machine) => {
    const items = Array.from({ length }, () => machine.pop());
    machine.push(items.reverse());
  };

const get =
  (index: (cursor: Cursor) => number): Opcode =>
  (machine, cursor) => {
    machine.push(machine.remembered(index(cursor)));
  };

const put =
  (index: (cursor: Cursor) => number): Opcode =>
  (machine, cursor) => {
    machine.memo.set(index(cursor), machine.top);
  };

const call: Opcode = (machine) => {
  const args = machine.pop();
  machine.push(machine.call(machine.pop(), args));
};

const collect: Opcode = (machine) => {
  machine.push(machine.popToMark());
};

const append =
  (items: (machine: Machine) => unknown[]): Opcode =>
  (machine) => {
    const added = items(machine);
    machine.appendItems(machine.top, added);
  };

function global(machine: Machine, module: unknown, name: unknown): void {
  if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('a global has no name');
  machine.push(machine.host.global(module, name));
}

/** STOP: what is on the stack is the result. */
const stopCode = 0x2e;

/**
 * The operations of pickle protocols 2 to 5 by code, `STOP` aside.
 *
 * Source: CPython, `Lib/pickletools.py`.
 */
const opcodes: Readonly<Record<number, Opcode | undefined>> = {
  0x80: (_, cursor) => void cursor.uint8(), // PROTO
  0x95: (_, cursor) => void cursor.uint64(), // FRAME
  0x28: (machine) => {
    machine.mark();
  }, // MARK
  0x30: (machine) => void machine.pop(), // POP
  0x31: (machine) => void machine.popToMark(), // POP_MARK
  0x32: (machine) => {
    machine.push(machine.top);
  }, // DUP
  0x4e: push(() => null), // NONE
  0x88: push(() => true), // NEWTRUE
  0x89: push(() => false), // NEWFALSE
  0x4a: push((cursor) => cursor.int32()), // BININT
  0x4b: push((cursor) => cursor.uint8()), // BININT1
  0x4d: push((cursor) => cursor.uint16()), // BININT2
  0x8a: push((cursor) => cursor.long(cursor.uint8())), // LONG1
  0x8b: push((cursor) => cursor.long(cursor.uint32())), // LONG4
  0x47: push((cursor) => cursor.float64()), // BINFLOAT
  0x54: push((cursor) => cursor.text(cursor.uint32(), 'latin1')), // BINSTRING
  0x55: push((cursor) => cursor.text(cursor.uint8(), 'latin1')), // SHORT_BINSTRING
  0x58: push((cursor) => cursor.text(cursor.uint32())), // BINUNICODE
  0x8c: push((cursor) => cursor.text(cursor.uint8())), // SHORT_BINUNICODE
  0x8d: push((cursor) => cursor.text(cursor.uint64())), // BINUNICODE8
  0x42: push((cursor) => cursor.bytes(cursor.uint32())), // BINBYTES
  0x43: push((cursor) => cursor.bytes(cursor.uint8())), // SHORT_BINBYTES
  0x8e: push((cursor) => cursor.bytes(cursor.uint64())), // BINBYTES8
  0x96: push((cursor) => cursor.bytes(cursor.uint64())), // BYTEARRAY8
  0x7d: push(() => new Map()), // EMPTY_DICT
  0x5d: push(() => []), // EMPTY_LIST
  0x29: push(() => []), // EMPTY_TUPLE
  0x8f: push(() => []), // EMPTY_SET
  0x85: tuple(1), // TUPLE1
  0x86: tuple(2), // TUPLE2
  0x87: tuple(3), // TUPLE3
  0x74: collect, // TUPLE
  0x6c: collect, // LIST
  0x91: collect, // FROZENSET
  0x61: append((machine) => [machine.pop()]), // APPEND
  0x65: append((machine) => machine.popToMark()), // APPENDS
  0x90: append((machine) => machine.popToMark()), // ADDITEMS
  // SETITEM
  0x73: (machine) => {
    const value = machine.pop();
    const key = machine.pop();
    machine.setItems(machine.top, [key, value]);
  },
  // SETITEMS
  0x75: (machine) => {
    const items = machine.popToMark();
    machine.setItems(machine.top, items);
  },
  0x68: get((cursor) => cursor.uint8()), // BINGET
  0x6a: get((cursor) => cursor.uint32()), // LONG_BINGET
  0x71: put((cursor) => cursor.uint8()), // BINPUT
  0x72: put((cursor) => cursor.uint32()), // LONG_BINPUT
  // MEMOIZE
  0x94: (machine) => {
    machine.memo.set(machine.memo.size, machine.top);
  },
  // GLOBAL
  0x63: (machine, cursor) => {
    global(machine, cursor.line(), cursor.line());
  },
  // STACK_GLOBAL
  0x93: (machine) => {
    const name = machine.pop();
    global(machine, machine.pop(), name);
  },
  0x52: call, // REDUCE
  0x81: call, // NEWOBJ
  // NEWOBJ_EX
  0x92: (machine, cursor) => {
    machine.pop();
    call(machine, cursor);
  },
  // BUILD
  0x62: (machine) => {
    const state = machine.pop();
    machine.build(machine.top, state);
  },
  // BINPERSID
  0x51: (machine) => {
    machine.push(machine.host.persistent(machine.pop()));
  },
};

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
