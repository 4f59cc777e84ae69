import { describe, it } from 'vitest';

/**
 * A group of tests that runs unless there is a reason against it: then one skipped test stands for it, with its reason,
 * and none of its hooks run.
 */
export function describeUnless(reason: string | undefined, name: string, tests: () => void): void {
  if (reason === undefined) describe(name, tests);
  else
    it(name, ({ skip }) => {
      skip(reason);
    });
}
