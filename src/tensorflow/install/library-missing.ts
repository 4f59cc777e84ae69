import { UserError } from '../../base/errors.js';
import { damagedBuild, type LibraryOptions } from './locate.js';
import { cacheFolder, setupCommand, setupWith } from './platform.js';

/**
 * Error for a native library that is needed and missing or incomplete: names the file, and the command that fetches it.
 */
export function libraryMissing(options: LibraryOptions = {}): UserError {
  const cache = cacheFolder(options.env);
  for (const build of ['cpu', 'cuda'] as const) {
    const damaged = damagedBuild(build, options);
    if (damaged.length > 0)
      return new UserError({
        code: 'tensorflow-damaged',
        message: `The native TensorFlow library in ${cache} is not whole: ${damaged.join(', ')} ${damaged.length === 1 ? 'is' : 'are'} missing or cut short.`,
        remedy: `Run \`${build === 'cuda' ? setupWith('--gpu') : setupCommand}\`.`,
      });
  }
  return new UserError({
    code: 'tensorflow-missing',
    message: `The native TensorFlow library is not set up in ${cache}.`,
    remedy: `Run \`${setupCommand}\`. PIPELINE_BACKEND=wasm computes without it, many times slower.`,
  });
}
