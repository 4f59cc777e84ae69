import { invalidCluster } from './cluster.js';

/**
 * The hosts of a list as Slurm writes it: `node[01-03,7],gpu` → node01, node02, node03, node7, gpu.
 * Several brackets in one name multiply.
 *
 * @throws UserError `cluster-invalid`
 */
export function expandHostlist(list: string): string[] {
  return splitOutside(list).flatMap(expand);
}

/** More than any cluster has: what multiplies to more is no list. */
const mostHosts = 65_536;

function expand(name: string): string[] {
  const match = /^([^[\]]*)\[([^[\]]+)\](.*)$/.exec(name);
  if (match === null) {
    if (name === '' || /[[\]]/.test(name)) throw invalidCluster(`"${name}" is not a host of Slurm's list`);
    return [name];
  }
  const [, before, ranges, after] = match as unknown as [string, string, string, string];
  const rests = after === '' ? [''] : expand(after);
  const all = ranges.split(',').flatMap(numbers);
  if (all.length * rests.length > mostHosts)
    throw invalidCluster(`"${name}" is more than ${mostHosts} hosts`);
  return all.flatMap((number) => rests.map((rest) => before + number + rest));
}

/** `08-11` → 08, 09, 10, 11 */
function numbers(range: string): string[] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(range);
  if (match === null) throw invalidCluster(`"${range}" is not a range of Slurm's host list`);
  const [, first, last = first] = match as unknown as [string, string, string | undefined];
  const count = Number(last) - Number(first) + 1;
  if (count < 1 || count > mostHosts) throw invalidCluster(`"${range}" is not a range of Slurm's host list`);
  return Array.from({ length: count }, (_, i) => String(Number(first) + i).padStart(first.length, '0'));
}

/** Splits at commas that are not within brackets. */
function splitOutside(list: string): string[] {
  return list.split(/,(?![^[]*\])/);
}
