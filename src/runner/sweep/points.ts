import { createHash } from 'node:crypto';
import { counted } from '../../base/format.js';
import type { RandomSweep, RandomValue, SweepConfig } from '../../generated/index.js';
import { code, type Problem } from '../diagnostics.js';
import type { Span } from '../yaml/text.js';
import { type Entry, type MapTree, member, type ScalarTree, type Tree } from '../yaml/tree.js';

/** The values of one trial by dotted key, with their places in the sweep. */
export type Point = ReadonlyMap<string, Entry>;

/** Most trials of a sweep. */
const most = 10_000;

/**
 * Every point of a sweep, in the order of the file: the first key of a grid changes slowest.
 *
 * @param sweep as it is written
 * @param config the same, valid and with defaults
 */
export function pointsOf(sweep: MapTree, config: SweepConfig): { points: Point[]; problems: Problem[] } {
  const problems = [...unsuitableKeys(sweep, config), ...unorderedSteps(sweep, config)];
  const choices = [
    ...(config.grid ? gridChoices(part(sweep, 'grid')) : []),
    ...(config.zip ? [zipChoices(part(sweep, 'zip'), problems)] : []),
    ...(config.points ? [listChoices(member(sweep, 'points')!.value)] : []),
    ...(config.random ? [randomChoices(part(sweep, 'random'), config.random)] : []),
  ];
  const count = choices.reduce((product, { length }) => product * length, 1);
  if (count > most) problems.push(tooMany(count, sweep.span));
  if (problems.length > 0) return { points: [], problems };
  return {
    points: choices.reduce<Point[]>(
      (points, choice) => points.flatMap((point) => choice.map((other) => new Map([...point, ...other]))),
      [new Map()],
    ),
    problems,
  };
}

const part = (tree: Tree, key: string): MapTree => member(tree, key)!.value as MapTree;

const itemsOf = (tree: Tree): readonly Tree[] => (tree.kind === 'list' ? tree.items : [tree]);

const gridChoices = (grid: MapTree): Point[][] =>
  Array.from(grid.entries, ([key, entry]) =>
    itemsOf(entry.value).map((value) => new Map([[key, { key: entry.key, value }]])),
  );

function zipChoices(zip: MapTree, problems: Problem[]): Point[] {
  const [first, ...others] = Array.from(zip.entries, ([key, entry]) => ({
    key,
    entry,
    items: itemsOf(entry.value),
  }));
  const length = first!.items.length;
  for (const { key, entry, items } of others)
    if (items.length !== length)
      problems.push({
        code: 'zip-lengths',
        message: `Lists of a ${code('zip')} must have the same length; ${code(key)} has ${counted(items.length, 'item')}, ${code(first!.key)} has ${length}.`,
        span: entry.value.span,
        related: [{ message: `${code(first!.key)} is here`, span: first!.entry.value.span }],
      });
  return first!.items.map(
    (_, i) =>
      new Map(
        [first!, ...others].flatMap(({ key, entry, items }) =>
          items[i] ? [[key, { key: entry.key, value: items[i] }] as const] : [],
        ),
      ),
  );
}

const listChoices = (points: Tree): Point[] => itemsOf(points).map((point) => (point as MapTree).entries);

function randomChoices(random: MapTree, config: NonNullable<SweepConfig['random']>): Point[] {
  const { entries } = part(random, 'values');
  return Array.from(
    { length: config.count },
    (_, index) =>
      new Map(
        Array.from(entries, ([key, entry]) => [
          key,
          { key: entry.key, value: drawValue(config, key, index, config.values[key]!, entry.value) },
        ]),
      ),
  );
}

const neverSwept: ReadonlySet<string> = new Set(['name', 'sweep', 'extends', 'options']);

/** Keys that no sweep can vary, keys that are varied twice, and ranges that end before they start. */
function* unsuitableKeys(sweep: MapTree, config: SweepConfig): Generator<Problem> {
  const seen = new Map<string, Span>();
  for (const entries of sections(sweep)) {
    for (const [key, { key: span }] of entries) {
      const [top] = key.split('.');
      if (neverSwept.has(top!)) yield notSwept(key, span);
      const first = seen.get(key);
      if (first)
        yield {
          code: 'duplicate-key',
          message: `${code(key)} is varied twice.`,
          remedy: 'Keep one of the two.',
          span,
          related: [{ message: 'first varied here', span: first }],
        };
      seen.set(key, span);
    }
  }
  for (const [key, { uniform, logUniform }] of Object.entries(config.random?.values ?? {})) {
    const range = uniform ?? logUniform;
    if (!range || range[0] <= range[1]) continue;
    const name = uniform ? 'uniform' : 'logUniform';
    yield {
      code: 'empty-range',
      message: `${code(name)} must go from the least value to the greatest; it starts at ${range[0]}, after its end at ${range[1]}.`,
      span: member(part(part(sweep, 'random'), 'values').entries.get(key)!.value, name)!.value.span,
    };
  }
}

/** Steps of halving that do not ascend. */
function* unorderedSteps(sweep: MapTree, { halving }: SweepConfig): Generator<Problem> {
  if (halving?.steps.every((step, i, all) => i === 0 || step > all[i - 1]!) !== false) return;
  yield {
    code: 'steps-unordered',
    message: `${code('steps')} of ${code('halving')} must be in ascending order; found ${halving.steps.join(', ')}.`,
    span: member(part(sweep, 'halving'), 'steps')!.value.span,
  };
}

/** The keys of each part of a sweep; of points all keys together, since each has its own. */
function sections(sweep: MapTree): ReadonlyMap<string, Entry>[] {
  const entriesOf = (tree: Tree | undefined): MapTree['entries'] =>
    tree?.kind === 'map' ? tree.entries : new Map();
  const points = member(sweep, 'points')?.value;
  const random = member(sweep, 'random')?.value;
  return [
    entriesOf(member(sweep, 'grid')?.value),
    entriesOf(member(sweep, 'zip')?.value),
    new Map((points ? itemsOf(points) : []).flatMap((point) => [...entriesOf(point)])),
    entriesOf(random && member(random, 'values')?.value),
  ];
}

const notSwept = (key: string, span: Span): Problem => ({
  code: 'cannot-be-swept',
  message: `${code(key)} cannot be varied by a sweep.`,
  remedy: 'Keys of `stages` and `runtime`, `seed` and `choose` can.',
  span,
});

const tooMany = (count: number, span: Span): Problem => ({
  code: 'too-many-trials',
  message: `A sweep has at most ${most} trials; these are ${count}.`,
  span,
});

/**
 * The value of one key in one draw of a random sweep: a function of the seed, the key and the draw's number only, so that
 * neither more draws nor other keys change it. Numbers have five significant digits.
 *
 * @param tree the key's ranges as they are written, which is where errors of the value are shown
 */
function drawValue(
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
