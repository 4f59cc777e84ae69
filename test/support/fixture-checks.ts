import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type FixtureKind, outcomeOf } from '../../tools/parity/check.js';
import { executionNames, openExecution } from '../../tools/parity/execution.js';

/** The path of a file in test/fixtures/. */
export function fixturePath(file: string): string {
  return fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url));
}

/** Tests that a file in test/fixtures/ agrees, each of its checks and in every execution. */
export async function describeFixture(kind: FixtureKind, file: string): Promise<void> {
  const path = fixturePath(file);
  const executions = kind.programs ? executionNames.map((name) => openExecution(name)) : [undefined];
  for (const execution of executions) {
    const checks = kind.programs ? await kind.checks(path, execution!) : await kind.checks(path);
    describe(`${file}${execution === undefined ? '' : `, ${execution.name}`}`, () => {
      it('is of this kind', () => {
        expect(file).toMatch(kind.files);
        expect(checks.length).toBeGreaterThan(0);
      });
      for (const check of checks)
        it(check.name, async () => {
          const { passed, text } = await outcomeOf(check);
          expect(passed, text).toBe(true);
        });
      afterAll(() => execution?.close());
    });
  }
}
