import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import {
  defaultRetryPolicy,
  HttpClient,
  type Patience,
  RefusedError,
  retry,
  type RetryPolicy,
  rootMessage,
  withoutSecrets,
} from '../../base/http.js';

/** A file of a repository, as the hub describes it. */
export interface HubFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of a large file; of a small one the hash that git gives it. */
  readonly checksum: string;
  readonly isLarge: boolean;
}

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
    const { id, revision } = repository;
    const address = `${this.environment.endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const answer = await this.attempt(
      repository,
      () => 0,
      async () => (await this.http.get(address, this.headers, this.options.signal)).json(),
    );
    return readCommit(answer, withoutSecrets(this.environment.endpoint));
  }

  addressOf({ id }: Repository, commit: string, file: string): string {
    const path = file.split('/').map(encodeURIComponent).join('/');
    return `${this.environment.endpoint}/${id}/resolve/${commit}/${path}`;
  }

  /** Repeats requests that may yet succeed; what fails for good becomes an error that says what to do. */
  async attempt<T>(repository: Repository, gained: () => number, work: () => Promise<T>): Promise<T> {
    const { signal, policy = defaultRetryPolicy } = this.options;
    try {
      return await retry(work, gained, policy, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof UserError ? error : this.failure(repository, error);
    }
  }

  close(): Promise<void> {
    return this.http.close();
  }

  private failure({ id, revision }: Repository, error: unknown): UserError {
    const status = error instanceof RefusedError ? error.status : undefined;
    const isHidden = status === 401 || status === 403 || status === 404;
    return new UserError({
      code: error instanceof RefusedError ? 'hub-refused' : 'hub-unreachable',
      message: `${id}@${revision} cannot be downloaded: ${rootMessage(error)}.`,
      remedy: isHidden
        ? 'Check its name and revision, as for a folder its path; for a repository that needs permission set HF_TOKEN.'
        : 'Check the network, HTTPS_PROXY and HF_ENDPOINT, then run again: what is there already is kept. Or put the repository into the cache of Hugging Face (HF_HOME), or name a folder with its files.',
      cause: error,
    });
  }
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

/** Settings of Hugging Face from the environment, by the variables of its own libraries. */
export interface HubEnvironment {
  /** Folder with `models--ORGANISATION--NAME` for each repository. */
  readonly cache: string;
  readonly endpoint: string;
  readonly offline: boolean;
  /** Secret: it goes into requests to the endpoint, and nowhere else. */
  readonly token: string | undefined;
}

/** Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables */
export function hubEnvironment(env: NodeJS.ProcessEnv): HubEnvironment {
  const home = expand(given(env.HF_HOME) ?? join(given(env.XDG_CACHE_HOME) ?? '~/.cache', 'huggingface'));
  return {
    cache: expand(given(env.HF_HUB_CACHE) ?? given(env.HUGGINGFACE_HUB_CACHE) ?? join(home, 'hub')),
    endpoint: (given(env.HF_ENDPOINT) ?? 'https://huggingface.co').replace(/\/+$/, ''),
    offline: isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE),
    token:
      given(env.HF_TOKEN) ??
      given(env.HUGGING_FACE_HUB_TOKEN) ??
      tokenIn(expand(given(env.HF_TOKEN_PATH) ?? join(home, 'token'))),
  };
}

/** An empty variable is as good as none. */
function given(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === '' ? undefined : text;
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');

const expand = (path: string): string => path.replace(/^~(?=\/|$)/, homedir());

function tokenIn(path: string): string | undefined {
  try {
    return given(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

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

/** True when a revision is the full hash of a commit, and so cannot move. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}
