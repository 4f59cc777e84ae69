import { createHash } from 'node:crypto';
import type { RandomSweep, RandomValue } from '../generated/index.js';
import { member, type ScalarTree, type Tree } from '../source/tree.js';

/**
 * The value of one key in one draw of a random sweep: a function of the seed, the key and the draw's number only, so that
 * neither more draws nor other keys change it. Numbers have five significant digits.
 *
 * @param tree the key's ranges as they are written, which is where errors of the value are shown
 */
export function drawValue(
  { seed }: Pick<RandomSweep, 'seed'>,
  key: string,
  index: number,
  range: RandomValue,
  tree: Tree,
): Tree {
  const unit = unitInterval(`${seed} ${key} ${index}`);
  const written = (name: string): Tree => member(tree, name)!.value;
  if (range.choice) {
    const { items } = written('choice') as Tree & { kind: 'list' };
    return items[Math.floor(unit * items.length)]!;
  }
  const { span } = written(range.uniform ? 'uniform' : 'logUniform');
  const scalar = (value: number): ScalarTree => ({ kind: 'scalar', value, span });
  const [least, greatest] = range.uniform ?? range.logUniform!;
  if (range.integer) {
    const from = Math.ceil(least);
    const to = Math.floor(greatest) + 1;
    const drawn = range.uniform ? from + unit * (to - from) : from * (to / from) ** unit;
    return scalar(Math.min(Math.floor(drawn), to - 1));
  }
  const drawn = range.uniform ? least + unit * (greatest - least) : least * (greatest / least) ** unit;
  return scalar(Math.min(greatest, Math.max(least, Number(drawn.toPrecision(5)))));
}

/** A number from 0 to below 1, all 2⁵³ steps equally likely. */
function unitInterval(name: string): number {
  const bits = createHash('sha256').update(name).digest().readBigUInt64BE() >> 11n;
  return Number(bits) / 2 ** 53;
}
