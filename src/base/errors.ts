/** Facts from which a message for a person is built. */
export interface UserErrorFacts {
  /** Stable identifier in kebab-case, such as `images-folder-missing`. Public: scripts may match on it. */
  code: string;
  /** One sentence: what was expected and what was found. Names the path. */
  message: string;
  /** Remedy: a sentence or a command. */
  remedy?: string;
  /** The command line, or a file that it names, is at fault rather than what is done with it: exit code 2. */
  usage?: true;
  cause?: unknown;
}

/**
 * An error that its reader can mend: shown as a message and a remedy, never with a stack.
 * Every other error is a defect of ours and is shown as "Internal error" with its stack.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly code: string;
  readonly remedy: string | undefined;
  /** True when the command line, or a file that it names, is at fault. */
  readonly isUsage: boolean;

  constructor(facts: UserErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.remedy = facts.remedy;
    this.isUsage = facts.usage ?? false;
  }
}

/** The error of a value that a function of the library cannot take, in what its types do not tell. */
export function argumentError(message: string, remedy?: string): UserError {
  return new UserError({ code: 'argument', message, ...(remedy !== undefined && { remedy }) });
}

/** @throws UserError unless it is a path, as programs without types may pass anything */
export function mustBePath(path: unknown, what: string): void {
  if (typeof path !== 'string' || path === '')
    throw argumentError(
      `${what} is named by a path; ${path === '' ? 'an empty text' : String(path)} was found.`,
    );
}

/** The error of using what was closed, or what lived in it. */
export function closedError(what: string): UserError {
  return new UserError({
    code: 'closed',
    message: `${what} is closed, and with it everything that it held.`,
    remedy: 'Close it after its last use, or open another.',
  });
}

/** Defined by webpack alone, which also tells modules that they are where they were. */
declare const __webpack_require__: unknown;

/**
 * @param url of the module that asks, where there is one
 * @param name of its file
 * @throws UserError where a bundler has put this into a file of its own, away from what is read beside it
 */
export function refuseBundles(url: string | undefined, name: string): void {
  const isWhereItWas = url !== undefined && new RegExp(`/${name}\\.[jt]s$`).test(url);
  if (isWhereItWas && typeof __webpack_require__ === 'undefined') return;
  throw new UserError({
    code: 'bundled',
    message:
      'mediator-sit is part of a bundle. It opens a native library, schemas and programs of workers beside its own files, which a bundle has left behind.',
    remedy:
      "Leave it out of the bundle: external: ['mediator-sit'] of esbuild, Rollup and Vite (ssr.external), externals of webpack, serverExternalPackages of Next.js.",
  });
}
