import { createHash } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../../base/errors.js';
import { acquireLock } from '../../base/file-lock.js';
import { asUserError, openFile, writePlain } from '../../base/files.js';
import {
  continueDownload,
  defaultRetryPolicy,
  HttpClient,
  type Patience,
  RefusedError,
  retry,
  type RetryPolicy,
  rootMessage,
  withoutSecrets,
} from '../../base/http.js';
import { sizeOf } from '../../base/output-file.js';
import { addressOf, type CachedRepository, isCommit, partialOf } from './repository.js';
import type { HubEnvironment, HubFile, Repository } from './repository.js';

/** A repository's state at one commit. */
export interface HubCommit {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

export interface HubOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly patience?: Patience;
  readonly policy?: RetryPolicy;
}

/** Requests to Hugging Face, or to the mirror that `HF_ENDPOINT` names. Close it after use. */
export class Hub {
  readonly http: HttpClient;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    private readonly environment: HubEnvironment,
    readonly options: HubOptions,
  ) {
    const { env, patience } = options;
    const certificates = [env.REQUESTS_CA_BUNDLE, env.SSL_CERT_FILE].filter((path) => path !== undefined);
    this.http = new HttpClient(env, certificates, patience);
    const { token } = environment;
    this.headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** Asks which commit a revision is at present. @throws UserError `hub-refused` or `hub-unreachable` */
  async look(repository: Repository): Promise<HubCommit> {
    const { id, kind, revision } = repository;
    const address = `${this.environment.endpoint}/api/${kind ?? 'models'}/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const answer = await this.attempt(
      repository,
      () => 0,
      async () => (await this.http.get(address, this.headers, this.options.signal)).json(),
    );
    return readCommit(answer, withoutSecrets(this.environment.endpoint));
  }

  addressOf(repository: Repository, commit: string, file: string): string {
    const path = file.split('/').map(encodeURIComponent).join('/');
    return `${this.environment.endpoint}/${addressOf(repository)}/resolve/${commit}/${path}`;
  }

  /** Repeats requests that may yet succeed; what fails for good becomes an error that says what to do. */
  async attempt<T>(repository: Repository, gained: () => number, work: () => Promise<T>): Promise<T> {
    const { signal, policy = defaultRetryPolicy } = this.options;
    try {
      return await retry(work, gained, policy, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof UserError ? error : await this.failure(repository, error);
    }
  }

  close(): Promise<void> {
    return this.http.close();
  }

  private async failure(repository: Repository, error: unknown): Promise<UserError> {
    const { revision } = repository;
    const id = addressOf(repository);
    const refused = error instanceof RefusedError ? error : undefined;
    const [problem, remedy] =
      refused?.reason === 'GatedRepo'
        ? [
            'access to it is restricted to those who accepted its conditions',
            `Accept them on ${withoutSecrets(this.environment.endpoint)}/${id}, then set HF_TOKEN to a token of that account.`,
          ]
        : refused?.reason === 'RevisionNotFound'
          ? [`it has no revision ${revision}`, await this.revisionsOf(repository)]
          : [undefined, undefined];
    const isHidden = refused?.status !== undefined && [401, 403, 404].includes(refused.status);
    return new UserError({
      code: refused ? 'hub-refused' : 'hub-unreachable',
      message: `${id}@${revision} cannot be downloaded: ${problem === undefined ? '' : `${problem}; `}${rootMessage(error)}.`,
      remedy:
        remedy ??
        (isHidden
          ? 'Check its name and revision, as for a folder its path; for a repository that needs permission set HF_TOKEN.'
          : 'Check the network, HTTPS_PROXY and HF_ENDPOINT, then run again: what is there already is kept. Or put the repository into the cache of Hugging Face (HF_HOME), or name a folder with its files.'),
      cause: error,
    });
  }

  /** Tells which revisions there are, as far as the server says. */
  private async revisionsOf({ id, kind }: Repository): Promise<string | undefined> {
    try {
      const address = `${this.environment.endpoint}/api/${kind ?? 'models'}/${id}/refs`;
      const refs = (await (await this.http.get(address, this.headers, this.options.signal)).json()) as Refs;
      const names = [...(refs.branches ?? []), ...(refs.tags ?? [])].map(({ name }) => name);
      return `Its branches and tags: ${names.slice(0, 12).join(', ')}. The full hash of a commit names one, too.`;
    } catch {
      return undefined;
    }
  }
}

interface Refs {
  readonly branches?: readonly { readonly name: string }[];
  readonly tags?: readonly { readonly name: string }[];
}

interface Answer {
  readonly sha?: unknown;
  readonly siblings?: readonly {
    readonly rfilename?: unknown;
    readonly size?: unknown;
    readonly blobId?: unknown;
    readonly lfs?: { readonly sha256?: unknown; readonly size?: unknown } | null;
  }[];
}

function readCommit(answer: unknown, endpoint: string): HubCommit {
  const { sha, siblings } = (answer ?? {}) as Answer;
  if (typeof sha !== 'string' || !isCommit(sha) || !Array.isArray(siblings))
    throw new UserError({
      code: 'hub-refused',
      message: `${endpoint} does not answer as Hugging Face does.`,
      remedy: 'Check HF_ENDPOINT.',
    });
  const files = (siblings as NonNullable<Answer['siblings']>).flatMap(
    ({ rfilename, size, blobId, lfs }): HubFile[] => {
      const bytes = lfs?.size ?? size;
      const checksum = lfs?.sha256 ?? blobId;
      const isKnown =
        typeof rfilename === 'string' && typeof bytes === 'number' && typeof checksum === 'string';
      if (!isKnown || !/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(checksum)) return [];
      return [{ name: rfilename, bytes, checksum, isLarge: checksum.length === 64 }];
    },
  );
  return { commit: sha, files };
}

/** Callback with the number of bytes of a file that are there. */
export type DownloadProgress = (file: string, done: number, total: number) => void;

/**
 * Brings a file of a commit into the cache, continuing what an interrupted download left, verified by size and
 * checksum. Another process that downloads the same file is waited for.
 */
export async function downloadFile(
  hub: Hub,
  cached: CachedRepository,
  repository: Repository,
  commit: string,
  file: HubFile,
  onProgress: DownloadProgress,
): Promise<void> {
  const blob = cached.blob(file.checksum);
  const { signal } = hub.options;
  try {
    await mkdir(dirname(blob), { recursive: true });
    const lock = await acquireLock(cached.lock(file.checksum), { signal });
    try {
      if ((await sizeOf(blob)) !== file.bytes)
        await fetchBlob(hub, repository, commit, file, blob, onProgress);
      await cached.link(commit, file.name, file.checksum);
    } finally {
      lock.release();
    }
  } catch (error) {
    throw asUserError(error, blob);
  }
}

async function fetchBlob(
  hub: Hub,
  repository: Repository,
  commit: string,
  file: HubFile,
  blob: string,
  onProgress: DownloadProgress,
): Promise<void> {
  const partial = partialOf(blob);
  const { signal } = hub.options;
  if ((await sizeOf(partial)) > file.bytes) await rm(partial);
  let reached = await sizeOf(partial);
  await hub.attempt(
    repository,
    () => reached,
    async () => {
      if (reached < file.bytes)
        await continueDownload(hub.http, hub.addressOf(repository, commit, file.name), partial, {
          bytes: file.bytes,
          headers: hub.headers,
          signal,
          reach: (bytes) => {
            reached = bytes;
            onProgress(file.name, bytes, file.bytes);
          },
        });
      if (file.bytes === 0) await writePlain(partial, '');
      if ((await checksumOf(partial, file, signal)) === file.checksum) return;
      // What is wrong in it cannot be told: from the start again.
      await rm(partial);
      reached = 0;
      throw new Error(`${file.name} arrives damaged: its checksum is not the one that is announced`);
    },
  );
  await rename(partial, blob);
}

/** SHA-256 of a large file; of a small one SHA-1 as git computes it, with its kind and size before it. */
async function checksumOf(
  path: string,
  { isLarge, bytes }: HubFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = isLarge ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
  await pipeline(
    (await openFile(path)).createReadStream({ highWaterMark: 1 << 20 }),
    hash,
    signal === undefined ? {} : { signal },
  );
  return hash.digest('hex');
}
