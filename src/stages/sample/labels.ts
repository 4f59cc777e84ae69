import type { SampleConfig } from '../../config/generated/index.js';
import { UserError } from '../../errors.js';
import { createHash } from 'node:crypto';

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
  const labels = choice.map((name) => {
    const label = classes.indexOf(name);
    if (label < 0)
      throw new UserError({
        code: 'unknown-class',
        message: `The model knows no class ${name}; its classes are ${classes.join(', ')}.`,
        remedy: 'Correct `classes` of the sample stage.',
      });
    return label;
  });
  return (i) => labels[i % labels.length]!;
}
