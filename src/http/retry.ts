import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedError } from './http-client.js';

export interface RetryPolicy {
  /** Attempts in a row without anything gained after which to give up. */
  readonly attempts: number;
  /** Wait after the first failure; it doubles with each further one. */
  readonly firstWaitMilliseconds: number;
  readonly longestWaitMilliseconds: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 6,
  firstWaitMilliseconds: 1000,
  longestWaitMilliseconds: 30_000,
};

/** Where there is no network at all, repeating for long only keeps people waiting. */
const attemptsWithoutNetwork = 3;
const noNetwork = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH'];

/**
 * Repeats `attempt` until it succeeds, waiting longer each time. `gained` tells how much has been reached: as long as it
 * grows, failures are counted anew.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  gained: () => number,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let failures = 0, best = gained(); ;) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RefusedError || isOfTheDisk(error)) throw error;
      failures = gained() > best ? 1 : failures + 1;
      best = Math.max(best, gained());
      const limit = hasNoNetwork(error) ? Math.min(attemptsWithoutNetwork, policy.attempts) : policy.attempts;
      if (failures >= limit) throw error;
      const wait = policy.firstWaitMilliseconds * 2 ** (failures - 1);
      await sleep(
        Math.min(wait, policy.longestWaitMilliseconds),
        undefined,
        signal === undefined ? {} : { signal },
      );
    }
  }
}

/** The reason at the bottom of a failed request, such as `getaddrinfo ENOTFOUND pypi.org`. */
export function rootMessage(error: unknown): string {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return rootMessage(cause);
  if (error instanceof AggregateError && error.errors.length > 0) return rootMessage(error.errors[0]);
  return error instanceof Error ? error.message || codeOf(error) : String(error);
}

function hasNoNetwork(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  return noNetwork.includes(codeOf(error)) || (cause !== undefined && hasNoNetwork(cause));
}

function isOfTheDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS'].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null | undefined)?.code ?? '';
}
