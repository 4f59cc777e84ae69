import { InvalidArgumentError } from 'commander';

const secondsIn: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** Reads a time such as `90s`, `30min`, `1h30m` or `2d`, in seconds. For an option of a command. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*(min|[smhd])\s*/g)];
  const isWhole = parts.reduce((sum, [part]) => sum + part.length, 0) === text.length;
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * secondsIn[unit!]!, 0);
  if (parts.length === 0 || !isWhole || seconds <= 0)
    throw new InvalidArgumentError('A time such as 90s, 30min, 1h30m or 2d was expected.');
  return seconds;
}

/** Reads a whole number that is at least `least`. For an option of a command. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`A whole number of at least ${least} was expected.`);
  };
}
