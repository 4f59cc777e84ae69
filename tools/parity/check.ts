import { UserError } from '../../src/base/errors.js';
import { compare, type Comparison, type Numbers, type Tolerance } from './compare.js';
import type { Execution } from './execution.js';

/** One thing that must agree with a fixture. */
export interface Check {
  readonly name: string;
  readonly run: () => Promise<Comparison>;
}

interface KindOfFile {
  readonly name: string;
  /** Names of the files that hold such fixtures. */
  readonly files: RegExp;
  /** Names of further files that belong to one of `files` in the same folder. */
  readonly companions?: RegExp;
}

/** Fixtures about tensor programs: checked in every execution. */
export interface ProgramFixtureKind extends KindOfFile {
  readonly programs: true;
  readonly checks: (path: string, execution: Execution) => Promise<readonly Check[]>;
}

/** Fixtures about what needs no tensors: checked once. */
export interface HostFixtureKind extends KindOfFile {
  readonly programs: false;
  readonly checks: (path: string) => Promise<readonly Check[]>;
}

export type FixtureKind = ProgramFixtureKind | HostFixtureKind;

/** A check that numbers are near those of a fixture. */
export function expectNear(
  name: string,
  expected: Numbers,
  tolerance: Tolerance,
  actual: () => Numbers | Promise<Numbers>,
): Check {
  return { name, run: async () => compare(await actual(), expected, tolerance) };
}

/** A check that fails: the fixture holds something that is not understood. */
export function notUnderstood(name: string): Check {
  const text = 'the fixture holds this, but no check is known for it';
  return { name, run: () => Promise.resolve({ passed: false, difference: NaN, text }) };
}

/** Runs a check; what it throws is its failure. */
export async function outcomeOf(check: Check): Promise<Comparison> {
  try {
    return await check.run();
  } catch (error) {
    const text =
      error instanceof UserError ? error.message : String(error instanceof Error ? error.stack : error);
    return { passed: false, difference: NaN, text };
  }
}
