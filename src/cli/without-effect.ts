import { UserError } from '../base/errors.js';

/** The error of an option that would be accepted and change nothing. */
export function withoutEffect(option: string, why: string): UserError {
  return new UserError({
    code: 'option-without-effect',
    usage: true,
    message: `${option} would change nothing: ${why}.`,
    remedy: 'Leave it out.',
  });
}
