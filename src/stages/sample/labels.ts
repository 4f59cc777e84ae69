import { createHash } from 'node:crypto';
import { UserError } from '../../base/errors.js';
import { canonicalName } from '../../data/images/class-names.js';
import type { SampleConfig } from '../../generated/index.js';

/** The class of every sample, by number: a function of the sample's number, so that more samples change none. */
export function sampleLabels(
  { classes: choice, count }: Pick<SampleConfig, 'classes' | 'count'>,
  classes: readonly string[],
  seed: number,
): Int32Array {
  const labelOf = labelsBy(choice, classes, seed);
  return Int32Array.from({ length: count }, (_, i) => labelOf(i));
}

function labelsBy(
  choice: SampleConfig['classes'],
  classes: readonly string[],
  seed: number,
): (i: number) => number {
  if (choice === 'balanced') return (i) => i % classes.length;
  if (choice === 'random')
    return (i) =>
      createHash('sha256').update(`${seed}/sample class/${i}`).digest().readUInt32LE(0) % classes.length;
  const known = classes.map(canonicalName);
  const labels = choice.map((name) => {
    const label = typeof name === 'number' ? name : known.indexOf(canonicalName(name));
    if (label >= 0 && label < classes.length) return label;
    throw new UserError({
      code: 'unknown-class',
      message: `The model has no class ${name}; ${knownClasses(classes)}.`,
      remedy: 'Correct `classes` of the sample stage.',
    });
  });
  return (i) => labels[i % labels.length]!;
}

/** Classes named in a message. */
const mostNames = 20;

function knownClasses(classes: readonly string[]): string {
  const names = classes.slice(0, mostNames).join(', ');
  const rest = classes.length > mostNames ? ', …' : '';
  return `its classes are 0 to ${classes.length - 1}: ${names}${rest}`;
}
