import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with why tests were skipped, and a plain `N passed, N failed`, whatever else the runner prints. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    let skipped = 0;
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        tests++;
        const result = test.result();
        const { state } = result;
        if (result.state === 'skipped' && result.note !== undefined)
          process.stdout.write(`skipped: ${test.fullName}: ${result.note}\n`);
        if (state === 'passed') passed++;
        else if (state === 'failed') failed++;
        else skipped++;
      }
      if (module.state() === 'failed' && (tests === 0 || module.errors().length > 0)) failed++;
    }
    process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  }
}
