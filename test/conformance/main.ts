import { readFileSync } from 'node:fs';
import jasmineCore from 'jasmine-core';
import { cApi } from '../../src/tensorflow/c-api.js';
import { nativeBackend } from '../../src/tensorflow/index.js';
import { declareSpecs } from './bundle.js';
import { type Exception, judge, type Outcome } from './verdict.js';

/**
 * Runs tfjs-core's own specs on our native backend: those that tfjs-node runs on its compiled addon. The ones
 * that it leaves out are in left-out-by-tfjs-node.json, ours in exceptions.json with their reasons.
 * Ends with `N passed, N failed`; the exit code is 0 when every spec did what these lists say.
 */

/** Fewer specs than this mean that some were not found. */
const expectedSpecs = 3883;

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
const leftOut = read('left-out-by-tfjs-node.json') as readonly string[];
const exceptions = read('exceptions.json') as readonly Exception[];
const say = (line: string) => process.stdout.write(`${line}\n`);

const start = Date.now();
const { binding } = nativeBackend();
const operations = countCalls();
const environment = jasmineCore.boot().getEnv();
// Specs of different files share names.
environment.configure({ random: false, forbidDuplicateNames: false });
await declareSpecs();

const outcomes: Outcome[] = [];
environment.configure({ specFilter: (spec) => !leftOut.some((part) => spec.getFullName().includes(part)) });
environment.addReporter({
  specDone: ({ fullName, status, failedExpectations }) => {
    // Specs that were filtered out end as well, as `excluded`.
    if (isOutcome(status))
      outcomes.push({ spec: fullName, status, messages: failedExpectations.map(({ message }) => message) });
  },
});
// Specs of the profiler and of debug mode print.
console.log = console.warn = () => undefined;
const { overallStatus } = await environment.execute();

const { passed, problems } = judge(outcomes, exceptions);
const failures = [...problems];
if (outcomes.length !== expectedSpecs)
  failures.push(`Expected ${expectedSpecs} specs, found ${outcomes.length}.`);
if (overallStatus !== 'passed' && failures.length === 0)
  failures.push(`Jasmine reports "${overallStatus}" though no spec failed.`);
for (const failure of failures) say(failure);
for (const { spec, reason } of exceptions) say(`excepted  ${spec}\n  ${reason}`);
say(
  `${outcomes.length} specs of tfjs-core on TensorFlow ${cApi().Version()}, Node ${process.versions.node}: ` +
    `${operations()} operations in ${((Date.now() - start) / 1000).toFixed(1)} s`,
);
say(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;

function isOutcome(status: string): status is Outcome['status'] {
  return ['passed', 'failed', 'pending'].includes(status);
}

/** Counts what reaches the native library, to show that the specs ran on it. */
function countCalls(): () => number {
  let count = 0;
  const execute = binding.executeOp.bind(binding);
  binding.executeOp = (...args) => {
    count++;
    return execute(...args);
  };
  return () => count;
}
