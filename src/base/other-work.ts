import { cpus } from 'node:os';

/** Times so far, in milliseconds: of this machine's processors, all and at work, and of this process on them. */
export interface ProcessorTimes {
  readonly total: number;
  readonly busy: number;
  readonly own: number;
}

export function processorTimes(): ProcessorTimes {
  const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);
  const each = cpus().map(({ times }) => times);
  const total = sum(each.map((times) => sum(Object.values(times))));
  const { user, system } = process.cpuUsage();
  return { total, busy: total - sum(each.map(({ idle }) => idle)), own: (user + system) / 1000 };
}

/** Share of the processors' time that other programs took between two moments: 0 on a machine that is quiet. */
export function othersShare(before: ProcessorTimes, after: ProcessorTimes): number {
  const others = after.busy - before.busy - (after.own - before.own);
  const total = after.total - before.total;
  return total > 0 ? Math.min(1, Math.max(0, others / total)) : 0;
}
