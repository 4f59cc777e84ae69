import { UserError } from '../../errors.js';
import type { Described, ModelHints } from './model-source.js';

/** Throws where the user says of a model what its file denies. @throws UserError `weights-contradiction` */
export function checkAgreement(path: string, said: Described, found: Described): void {
  const keys = ['interpolant', 'prediction', 'heads', 'labelDropout'] as const;
  const problems = keys
    .filter((key) => said[key] !== undefined && found[key] !== undefined && said[key] !== found[key])
    .map((key) => `\`${key}: ${said[key]!}\` is asked for, the file says ${found[key]!}`);
  if (problems.length > 0) throw contradiction(path, problems);
}

export function contradiction(path: string, problems: readonly string[]): UserError {
  return new UserError({
    code: 'weights-contradiction',
    message: `${path}: ${problems.join('; ')}.`,
    remedy: 'Leave out what the file tells by itself, or use the file that was meant.',
  });
}

/** Names of the classes: those given, or their numbers. @throws UserError `class-count` */
export function classNames(path: string, { classes }: Pick<ModelHints, 'classes'>, count: number): string[] {
  if (classes === undefined) return Array.from({ length: count }, (_, label) => String(label));
  if (classes.length === count) return [...classes];
  throw new UserError({
    code: 'class-count',
    message: `${path}: its model has ${count} classes; ${classes.length} names of classes are given.`,
    remedy: 'Name every class once, in the order of the labels.',
  });
}
