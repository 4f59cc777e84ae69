import type { Reporter, TestModule, Vitest } from 'vitest/node';

/**
 * Ends the run with why tests were skipped, and a plain `N passed, N failed`, whatever else the runner prints. A test that
 * was skipped without a reason has failed, unless the command line asked for others by name.
 */
export default class ClosingLineReporter implements Reporter {
  private asked: RegExp | undefined;

  onInit({ config }: Vitest): void {
    this.asked = config.testNamePattern;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    let skipped = 0;
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        tests++;
        const result = test.result();
        if (result.state === 'passed') passed++;
        else if (result.state === 'failed') failed++;
        else {
          const note = result.state === 'skipped' ? result.note : undefined;
          const leftOut = this.asked !== undefined && note === undefined;
          if (note !== undefined || leftOut) skipped++;
          else {
            failed++;
            process.exitCode = 1;
          }
          if (!leftOut)
            process.stdout.write(
              `skipped: ${test.fullName}: ${note ?? 'no reason is given, so it has failed'}\n`,
            );
        }
      }
      if (module.state() === 'failed' && (tests === 0 || module.errors().length > 0)) failed++;
    }
    process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  }
}
