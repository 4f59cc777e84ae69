/** A spec that need not pass, and why. */
export interface Exception {
  readonly spec: string;
  readonly reason: string;
}

/** How a spec ended: `pending` means that tfjs-core itself has switched it off. */
export interface Outcome {
  readonly spec: string;
  readonly status: 'passed' | 'failed' | 'pending';
  readonly messages: readonly string[];
}

export interface Verdict {
  readonly passed: number;
  /** Failures and contradictions to the list of exceptions, each as lines to print. Empty when all is well. */
  readonly problems: readonly string[];
}

/**
 * Compares outcomes with the list of exceptions: a spec that is not on it must pass, one that is on it must
 * exist and must not pass, so that the list cannot go stale.
 */
export function judge(outcomes: readonly Outcome[], exceptions: readonly Exception[]): Verdict {
  const excepted = new Set(exceptions.map(({ spec }) => spec));
  const problems: string[] = [];
  let passed = 0;
  // Some specs share a name: an exception holds for all of that name.
  const seen = new Map<string, boolean>();
  for (const { spec, status, messages } of outcomes) {
    if (status === 'passed') passed++;
    seen.set(spec, (seen.get(spec) ?? false) || status !== 'passed');
    if (status === 'passed' || excepted.has(spec)) continue;
    problems.push(
      status === 'pending'
        ? `SWITCHED OFF  ${spec}\n  tfjs-core does not run it: list it with the reason.`
        : `FAILED  ${spec}\n${messages.map((message) => `  ${message}`).join('\n')}`,
    );
  }
  for (const spec of excepted) {
    const missed = seen.get(spec);
    if (missed === undefined)
      problems.push(`UNKNOWN  ${spec}\n  It is listed as an exception, but did not run.`);
    else if (!missed) problems.push(`PASSED  ${spec}\n  It is listed as an exception: take it off the list.`);
  }
  return { passed, problems };
}
