import { UserError } from '../../base/errors.js';
import { checkManifest, DamagedManifest, formatManifest } from '../store/manifest.js';
import type { Manifest, OutputPlace } from '../store/manifest.js';
import { noSuchFile, noSuchFolder, Rclone } from './rclone.js';

/** An output on a remote. */
export interface RemoteOutput {
  readonly manifest: Manifest;
  /** Name of the folder, beside the entry, that holds its files. */
  readonly copy: string;
}

/** A path on a remote that no entry names. */
export interface Leftover {
  readonly path: string;
  readonly bytes: number;
}

function isDamaged(error: unknown): 'damaged' {
  if (error instanceof UserError && error.code === 'remote-damaged') return 'damaged';
  throw error;
}

/** Name of an output: on a remote, as in a store, the first part of its fingerprint. */
const keyOf = (fingerprint: string): string => fingerprint.slice(0, 16);

/**
 * Outputs kept at an address that rclone reaches: for each `KIND/KEY.json`, the entry, with the manifest and the name of
 * the folder `KIND/KEY.COPY/` with the files. Every store that pushes has a folder of its own, and the entry is put in
 * its place last: so an entry always names files that are whole, whoever else pushes, and whatever dies.
 */
export class Remote {
  readonly rclone: Rclone;
  private names: Promise<ReadonlySet<string>> | undefined;
  private readonly known = new Map<string, Promise<RemoteOutput | undefined>>();

  constructor(address: string, options: { readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal }) {
    this.rclone = new Rclone(address, options.env, options.signal);
  }

  /** The address as messages show it. */
  get shown(): string {
    return this.rclone.shown;
  }

  /** Every output that is there, as kind and key. @throws UserError where the remote cannot be reached */
  async list(): Promise<readonly { readonly kind: string; readonly key: string }[]> {
    return [...(await this.entries())].map((name) => {
      const [kind = '', key = ''] = name.split('/');
      return { kind, key };
    });
  }

  /** The output of a fingerprint, where it is there. @throws UserError `remote-damaged` */
  async find({
    kind,
    fingerprint,
  }: Pick<OutputPlace, 'kind' | 'fingerprint'>): Promise<RemoteOutput | undefined> {
    const key = keyOf(fingerprint);
    if (!(await this.entries()).has(`${kind}/${key}`)) return undefined;
    const found = await this.open(kind, key);
    return found?.manifest.fingerprint === fingerprint ? found : undefined;
  }

  /** Reads an entry, once. @throws UserError `remote-damaged` */
  open(kind: string, key: string): Promise<RemoteOutput | undefined> {
    const name = `${kind}/${key}`;
    const known = this.known.get(name) ?? this.read(kind, key);
    this.known.set(name, known);
    return known;
  }

  /** Reads an entry as it is now. @throws UserError `remote-damaged` */
  async read(kind: string, key: string): Promise<RemoteOutput | undefined> {
    const path = `${kind}/${key}.json`;
    const { output, exitCode } = await this.rclone.run(['cat', this.rclone.at(path)], {
      allowed: [noSuchFolder, noSuchFile],
    });
    // Of a file that is not there, some kinds of remotes give nothing.
    if (exitCode !== 0 || output === '') return undefined;
    try {
      return parseEntry(output, key);
    } catch (error) {
      if (error instanceof DamagedManifest) throw damaged(this.shown, path, error.message);
      throw error;
    }
  }

  /** Bytes of each file of a folder, by path. */
  async sizes(folder: string): Promise<ReadonlyMap<string, number>> {
    const { output } = await this.rclone.run(['lsjson', this.rclone.at(folder), '-R', ...plainListing], {
      allowed: [noSuchFolder],
    });
    return new Map(parseListing(output).map(({ Path, Size }) => [Path, Size]));
  }

  /** Lists what interrupted pushes left: folders, and entries in the making, that no entry names. */
  async leftovers(): Promise<readonly Leftover[]> {
    const { output } = await this.rclone.run(
      ['lsjson', this.rclone.at(''), '-R', '--no-modtime', '--no-mimetype'],
      { allowed: [noSuchFolder] },
    );
    const found = new Map<string, number>();
    for (const { Path, Size } of parseListing(output)) {
      const [path] = /^[\w-]+\/[0-9a-f]{16}\.[0-9a-f]{8}(\.json\.tmp)?(?=\/|$)/.exec(Path) ?? [];
      if (path !== undefined) found.set(path, (found.get(path) ?? 0) + Math.max(0, Size));
    }
    const left: Leftover[] = [];
    for (const [path, bytes] of found) {
      const [kind = '', name = ''] = path.split('/');
      // Of an entry that cannot be read nobody knows what it names.
      const entry = await this.read(kind, keyOf(name)).catch(isDamaged);
      if (entry !== 'damaged' && entry?.copy !== name) left.push({ path, bytes });
    }
    return left;
  }

  async remove({ path }: Leftover): Promise<void> {
    const isFile = path.endsWith('.tmp');
    await this.rclone.run([isFile ? 'deletefile' : 'purge', this.rclone.at(path)], {
      allowed: [noSuchFolder, noSuchFile],
    });
  }

  private entries(): Promise<ReadonlySet<string>> {
    this.names ??= this.rclone
      .run(['lsjson', this.rclone.at(''), '-R', '--max-depth=2', ...plainListing, '--include=/*/*.json'], {
        allowed: [noSuchFolder],
      })
      .then(
        ({ output }) =>
          new Set(
            parseListing(output).flatMap(
              ({ Path }) => /^([\w-]+\/[0-9a-f]{16})\.json$/.exec(Path)?.[1] ?? [],
            ),
          ),
      );
    return this.names;
  }
}

const plainListing = ['--files-only', '--no-modtime', '--no-mimetype'];

function parseListing(output: string): readonly { readonly Path: string; readonly Size: number }[] {
  // A listing that failed is not closed.
  return output.trim() === '[' || output.trim() === ''
    ? []
    : (JSON.parse(output) as { readonly Path: string; readonly Size: number }[]);
}

/** The text of an entry. */
export function formatEntry({ manifest, copy }: RemoteOutput): string {
  return `{"format":1,"files":${JSON.stringify(copy)},"manifest":${formatManifest(manifest).trimEnd()}}\n`;
}

/** @throws DamagedManifest where it is not the entry of an output of this name, or names files elsewhere */
function parseEntry(text: string, key: string): RemoteOutput {
  let entry: {
    readonly format?: unknown;
    readonly files?: unknown;
    readonly manifest?: { fingerprint?: unknown };
  };
  try {
    entry = JSON.parse(text) as typeof entry;
  } catch {
    throw new DamagedManifest('it is not valid JSON');
  }
  const { format, files: copy, manifest: raw } = entry;
  const fingerprint = raw?.fingerprint;
  if (format !== 1 || typeof copy !== 'string' || typeof fingerprint !== 'string')
    throw new DamagedManifest('it is not an entry of format 1');
  const manifest = checkManifest(JSON.stringify(raw), fingerprint);
  const areSafe = manifest.files.every(
    ({ path, bytes, sha256 }) =>
      typeof path === 'string' &&
      path.split('/').every((part) => !['', '.', '..'].includes(part)) &&
      !/[\0\n\r\\]/.test(path) &&
      Number.isSafeInteger(bytes) &&
      bytes >= 0 &&
      /^[0-9a-f]{64}$/.test(sha256),
  );
  if (keyOf(fingerprint) !== key || !new RegExp(`^${key}\\.[0-9a-f]{8}$`).test(copy) || !areSafe)
    throw new DamagedManifest('it names what is not its own');
  return { manifest, copy };
}

/** Error about an output on a remote that is not as its manifest says. */
export function damaged(remote: string, path: string, problem: string): UserError {
  return new UserError({
    code: 'remote-damaged',
    message: `${remote}: ${path} is damaged: ${problem}.`,
    remedy:
      'Send it again from a store that has it: npx pipeline push --force REMOTE FILE. Nothing of it was used here.',
  });
}
