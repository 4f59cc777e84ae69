import { createHash } from 'node:crypto';
import { unsafeUniformIntDistribution as uniformInt, xoroshiro128plus } from 'pure-rand';
import { canonicalName } from './images/class-names.js';
import type { AutoencoderConfig } from '../generated/index.js';

/** One draw of training data. */
export interface Draw {
  /** Index of the sample. */
  readonly index: number;
  /** True to take its mirrored variant, where it has one. */
  readonly flipped: boolean;
}

/**
 * Order in which training sees its samples: a function of (seed, position), never of history, so that a run which
 * resumes at a position goes on as if nothing had happened.
 */
export interface SampleOrder {
  /** The draw at a position, counted over all epochs. */
  at(position: number): Draw;
}

/** Every sample once an epoch, in an order of its own for each epoch. */
export function shuffledOrder(seed: number, count: number): SampleOrder {
  return new Deck(
    seed,
    'all',
    Int32Array.from({ length: count }, (_, i) => i),
  );
}

/**
 * Classes take turns, so that each is seen equally often; within a class every sample comes once before any comes
 * again. `labels` are the samples' classes.
 */
export function balancedOrder(seed: number, labels: Int32Array): SampleOrder {
  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const known = members.get(label);
    if (known === undefined) members.set(label, [index]);
    else known.push(index);
  });
  const decks = [...members.entries()]
    .sort(([a], [b]) => a - b)
    .map(([label, indices]) => new Deck(seed, `class ${label}`, Int32Array.from(indices)));
  const turns = new Deck(seed, 'turns', Int32Array.from(decks.keys()));
  return {
    at: (position) => decks[turns.at(position).index]!.at(Math.floor(position / decks.length)),
  };
}

/** Cards that are shuffled anew each time they are through. */
class Deck implements SampleOrder {
  private round = -1;
  private readonly order: Int32Array;
  private readonly flips: Uint8Array;

  constructor(
    private readonly seed: number,
    private readonly name: string,
    private readonly cards: Int32Array,
  ) {
    this.order = new Int32Array(cards.length);
    this.flips = new Uint8Array(cards.length);
  }

  at(position: number): Draw {
    const { length } = this.cards;
    this.shuffle(Math.floor(position / length));
    const place = position % length;
    return { index: this.order[place]!, flipped: this.flips[place] === 1 };
  }

  private shuffle(round: number): void {
    if (round === this.round) return;
    const generator = xoroshiro128plus(
      createHash('sha256').update(`${this.seed}/order ${this.name}/${round}`).digest().readInt32LE(0),
    );
    this.order.set(this.cards);
    for (let i = this.order.length - 1; i > 0; i--) {
      const j = uniformInt(0, i, generator);
      const other = this.order[j]!;
      this.order[j] = this.order[i]!;
      this.order[i] = other;
    }
    for (let i = 0; i < this.flips.length; i++) this.flips[i] = uniformInt(0, 1, generator);
    this.round = round;
  }
}

/** Tells, by label, which classes may have their images mirrored. */
export function flippableClasses(
  flips: AutoencoderConfig['flips'],
  classes: readonly string[],
): readonly boolean[] {
  if (typeof flips === 'boolean') return classes.map(() => flips);
  const flipped = new Set(flips.classes.map(canonicalName));
  return classes.map((name) => flipped.has(canonicalName(name)));
}
