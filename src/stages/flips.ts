import type { AutoencoderConfig } from '../config/generated/index.js';

/** Whether images of each class may be mirrored, by label. */
export function flippableClasses(
  flips: AutoencoderConfig['flips'],
  classes: readonly string[],
): readonly boolean[] {
  if (typeof flips === 'boolean') return classes.map(() => flips);
  return classes.map((name) => flips.classes.includes(name));
}
