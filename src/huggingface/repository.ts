/** A model's repository on Hugging Face, and which of its states is meant. */
export interface Repository {
  /** Such as `stabilityai/sd-vae-ft-ema`. */
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const pattern = /^([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+))?$/;

/** Reads `organisation/name`, optionally with `@revision`; nothing for any other text, such as a path. */
export function parseRepository(text: string): Repository | undefined {
  const [, id, revision = 'main'] = pattern.exec(text) ?? [];
  return id === undefined || revision.includes('..') ? undefined : { id, revision };
}

/** Whether a revision is the full hash of a commit, and so cannot move. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}
