import { UserError } from '../../errors.js';
import { setupCommand } from './setup-command.js';

/** What is said where the native library is needed and not there. */
export function libraryMissing(): UserError {
  return new UserError({
    code: 'tensorflow-missing',
    message: 'The native TensorFlow library is not set up for this user.',
    remedy: `Run \`${setupCommand}\`.`,
  });
}
