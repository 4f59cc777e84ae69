import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { UserError } from '../../base/errors.js';
import type { FileLock } from '../../base/file-lock.js';
import { findOutput } from '../store/find-output.js';
import { bytesOf, hashesFolder, type OutputPlace } from '../store/manifest.js';
import { lockOutput } from '../store/output-lock.js';
import { formatEntry, type Remote, type RemoteOutput } from './remote.js';

export interface PushOptions {
  readonly runsRoot: string;
  readonly signal: AbortSignal;
  /** Sends again what is there already, such as where that is damaged. */
  readonly force: boolean;
  readonly onBytes: (done: number, total: number) => void;
}

/** Outcome of pushing an output. */
export interface Pushed {
  readonly sent: boolean;
  readonly bytes: number;
}

/**
 * Sends an output to a remote: its files, then, when all have arrived, the entry that makes it one. Nobody removes or
 * replaces the output meanwhile.
 *
 * @throws UserError `output-not-whole` where it is not as its manifest says; those of `Rclone.run`
 */
export async function pushOutput(place: OutputPlace, remote: Remote, options: PushOptions): Promise<Pushed> {
  const { runsRoot, signal } = options;
  const lock = await lockOutput(place.lock, { signal, onWait: () => undefined });
  try {
    const found = await findOutput(place, hashesFolder(runsRoot), signal);
    if (found.state !== 'whole')
      throw notWhole(place, found.state === 'damaged' ? found.problem : 'it is gone');
    const { manifest } = found;
    const bytes = bytesOf(manifest);
    const key = place.fingerprint.slice(0, 16);
    const before = await remote.read(place.kind, key).catch(ignoreDamage);
    if (!options.force && before !== undefined && (await isComplete(remote, place.kind, before)))
      return { sent: false, bytes };
    const store = [hostname(), await realpath(runsRoot), JSON.stringify(manifest)];
    // What is sent again goes beside what is there, until all of it has arrived.
    const parts = options.force && before !== undefined ? [...store, before.copy] : store;
    const hash = createHash('sha256').update(parts.join('\0')).digest('hex');
    const pushed: RemoteOutput = { manifest, copy: `${key}.${hash.slice(0, 8)}` };
    await sendFiles(place, remote, pushed, lock, options);
    const { rclone } = remote;
    const aside = `${place.kind}/${pushed.copy}.json.tmp`;
    await rclone.run(['rcat', rclone.at(aside)], { input: formatEntry(pushed), lock });
    const entry = rclone.at(`${place.kind}/${key}.json`);
    // Without times, another entry of the same size would be taken for this one.
    await rclone.run(['moveto', rclone.at(aside), entry, '--ignore-times'], { lock });
    // Of several who push it at once, the last entry counts: the others remove what they sent.
    const now = await remote.read(place.kind, key);
    for (const copy of new Set([pushed.copy, ...(before ? [before.copy] : [])]))
      if (now !== undefined && copy !== now.copy)
        await rclone.run(['purge', rclone.at(`${place.kind}/${copy}`)], { allowed: absent });
    return { sent: true, bytes };
  } finally {
    lock.release();
  }
}

/** Sends the files of an output, but for those that are there already. @throws UserError `remote-incomplete` */
async function sendFiles(
  place: OutputPlace,
  remote: Remote,
  pushed: RemoteOutput,
  lock: FileLock,
  { onBytes }: PushOptions,
): Promise<void> {
  const { files } = pushed.manifest;
  const folder = `${place.kind}/${pushed.copy}`;
  if (files.length > 0)
    await remote.rclone.run(
      ['copy', place.directory, remote.rclone.at(folder), '--files-from-raw=-', '--copy-links'],
      {
        input: `${files.map(({ path }) => path).join('\n')}\n`,
        lock,
        onBytes: (done) => {
          onBytes(done, bytesOf(pushed.manifest));
        },
      },
    );
  if (await isComplete(remote, place.kind, pushed)) return;
  throw new UserError({
    code: 'remote-incomplete',
    message: `${remote.shown}: ${folder} does not hold what was sent.`,
    remedy:
      'Look whether something else writes there, or rclone only pretends (RCLONE_DRY_RUN); then repeat the command.',
  });
}

/** An entry that cannot be read is as good as none: it is replaced. */
function ignoreDamage(error: unknown): undefined {
  if (!(error instanceof UserError && error.code === 'remote-damaged')) throw error;
}

/** Exit codes of rclone that say, or may say, that something is not there. */
const absent = [1, 3, 4];

async function isComplete(remote: Remote, kind: string, { manifest, copy }: RemoteOutput): Promise<boolean> {
  if (manifest.files.length === 0) return true;
  const sizes = await remote.sizes(`${kind}/${copy}`);
  return manifest.files.every(({ path, bytes }) => sizes.get(path) === bytes);
}

function notWhole({ directory }: OutputPlace, problem: string): UserError {
  return new UserError({
    code: 'output-not-whole',
    message: `${directory}: this output cannot be sent: ${problem}.`,
    remedy: 'Run its pipeline again, which makes it again.',
  });
}
