import { type LabelType, labelType, type Oddities } from './container.js';

/** A label of a sample and what tells it. */
type Label = readonly [place: string, value: string | number];

/** Keys of a sample's `.json` that may name its class: the first that is there counts. */
const labelKeys = ['cls', 'label', 'class'];

/**
 * Labels of the samples of a WebDataset, each of which may have several: `.cls` counts before the keys of `.json`. Tells
 * what may be amiss: labels that do not belong together, and those that cannot be read.
 */
export class SampleLabels {
  /** Types of the labels in `.json`. In `.cls` everything is text. */
  readonly types = new Set<LabelType>();
  private readonly told = new Map<string, string[]>();
  private readonly others = new Map<string, string>();
  private place: string | undefined;

  /** @param counts false where nobody asks for classes */
  constructor(private readonly counts: boolean) {}

  get oddities(): Oddities {
    return this.told;
  }

  tell(what: string, sample: string): void {
    const samples = this.told.get(what);
    if (samples === undefined) this.told.set(what, [sample]);
    else samples.push(sample);
  }

  /** Labels in a sample's `.json`. */
  inJson(content: Buffer, sample: string): readonly Label[] {
    if (!this.counts) return [];
    let record: Readonly<Record<string, unknown>> | null;
    try {
      record = JSON.parse(content.toString('utf8')) as typeof record;
    } catch {
      this.tell('Files .json that are not valid JSON', sample);
      return [];
    }
    const there = labelKeys.flatMap((key): readonly (readonly [string, unknown])[] => {
      const value = record?.[key];
      return value === undefined || value === null ? [] : [[`\`${key}\` of .json`, value]];
    });
    const labels = there.filter((label): label is Label => ['number', 'string'].includes(typeof label[1]));
    if (there.length > 0 && labels.length === 0)
      this.tell('Labels in .json that are neither a number nor a text, and do not count', sample);
    return labels;
  }

  /** Class of a sample by the first of its labels. */
  classOf(labels: readonly Label[], sample: string): string | undefined {
    const [first, ...rest] = labels;
    if (first === undefined || !this.counts) return undefined;
    const [place, value] = first;
    this.place ??= place;
    if (place !== this.place)
      this.tell(`Samples whose class ${place} tells, where that of others is in ${this.place}`, sample);
    if (place !== '.cls') this.types.add(labelType(value));
    if (!rest.every((label) => this.belongs(first, label) && this.belongs(label, first)))
      this.tell(
        `Samples of several labels that do not always go together: ${[...labels].map(([each]) => each).join(', ')}, of which the first counts`,
        sample,
      );
    return String(value);
  }

  /** True unless one label went with another of the same place before. */
  private belongs([place, value]: Label, [other, otherValue]: Label): boolean {
    const key = JSON.stringify([place, String(value), other]);
    const before = this.others.get(key);
    if (before === undefined) this.others.set(key, String(otherValue));
    return before === undefined || before === String(otherValue);
  }
}
