import { describe, expect, test } from 'vitest';
import { judge, type Outcome } from './verdict.js';

const outcome = (spec: string, status: Outcome['status']): Outcome => ({
  spec,
  status,
  messages: status === 'failed' ? ['expected 1'] : [],
});
const exception = { spec: 'tan of huge numbers', reason: 'argument reduction' };

describe('judging specs against the list of exceptions', () => {
  test('nothing to report when what is not listed passes and what is listed does not', () => {
    const outcomes = [outcome('add', 'passed'), outcome('tan of huge numbers', 'failed')];
    expect(judge(outcomes, [exception])).toEqual({ passed: 1, problems: [] });
  });

  test.each([
    ['a failure that is not listed', [outcome('add', 'failed')], [], 'FAILED  add\n  expected 1'],
    ['a spec switched off and not listed', [outcome('add', 'pending')], [], 'SWITCHED OFF  add'],
    [
      'an exception that passes',
      [outcome(exception.spec, 'passed')],
      [exception],
      `PASSED  ${exception.spec}`,
    ],
    ['an exception that did not run', [], [exception], `UNKNOWN  ${exception.spec}`],
  ])('%s is a problem', (_, outcomes, exceptions, message) => {
    const { problems } = judge(outcomes, exceptions);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
  });

  test('an exception holds for all specs of its name', () => {
    const outcomes = [outcome(exception.spec, 'passed'), outcome(exception.spec, 'failed')];
    expect(judge(outcomes, [exception]).problems).toEqual([]);
  });
});
