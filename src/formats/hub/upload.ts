import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../../base/errors.js';
import { HttpClient, rootMessage, withoutSecrets } from '../../base/http.js';
import { hubEnvironment, type Repository } from './repository.js';

export interface UploadOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly isPrivate: boolean;
  /** Title of the commit. */
  readonly title: string;
  readonly onProgress: (phase: string) => void;
}

/**
 * Puts the files of a folder into a repository on the Hugging Face Hub, in one commit, so that it has all of them or
 * none. The repository is made where there is none. Large files that are there already are not sent again.
 *
 * @returns address of the commit
 * @throws UserError `hub-token-missing`, `hub-offline`, `hub-refused` or `hub-unreachable`
 */
export async function uploadFolder(
  folder: string,
  { id, revision }: Repository,
  { env, signal, isPrivate, title, onProgress }: UploadOptions,
): Promise<string> {
  const { endpoint, token, offline } = hubEnvironment(env);
  if (offline)
    throw new UserError({
      code: 'hub-offline',
      message: `${id} cannot be sent: HF_HUB_OFFLINE forbids it.`,
      remedy: 'Unset HF_HUB_OFFLINE, and repeat the command.',
    });
  if (token?.startsWith('hf_') !== true) throw tokenMissing(id);
  const { commitIter, createRepo, HubApiError } = await import('@huggingface/hub');
  const http = new HttpClient(
    env,
    [env.REQUESTS_CA_BUNDLE, env.SSL_CERT_FILE].filter((path) => path !== undefined),
  );
  const shared = {
    repo: { type: 'model', name: id },
    accessToken: token,
    hubUrl: endpoint,
    fetch: http.fetch,
  } as const;
  try {
    await createRepo({ ...shared, visibility: isPrivate ? 'private' : 'public' }).catch((error: unknown) => {
      if (!(error instanceof HubApiError && error.statusCode === 409)) throw error;
    });
    const names = (await readdir(folder)).sort();
    const commit = commitIter({
      ...shared,
      branch: revision,
      title,
      operations: names.map((path) => ({
        operation: 'addOrUpdate' as const,
        path,
        content: pathToFileURL(join(folder, path)),
      })),
      abortSignal: signal,
      useXet: false,
    });
    for (;;) {
      const step = await commit.next();
      if (step.done === true) return `${withoutSecrets(endpoint)}/${id}/commit/${step.value!.commit.oid}`;
      if (step.value.event === 'phase') onProgress(phases[step.value.phase] ?? step.value.phase);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw failure(id, error, error instanceof HubApiError ? error.statusCode : undefined, token);
  } finally {
    await http.close();
  }
}

const phases: Readonly<Record<string, string>> = {
  preuploading: 'asking what is there',
  uploadingLargeFiles: 'sending large files',
  committing: 'committing',
};

function failure(id: string, error: unknown, status: number | undefined, token: string): UserError {
  const isHidden = status === 401 || status === 403 || status === 404;
  return new UserError({
    code: status === undefined ? 'hub-unreachable' : 'hub-refused',
    message: `${id} cannot be sent: ${rootMessage(error).replaceAll(token, '…').replace(/\.$/, '')}${status === undefined ? '' : ` (${status})`}.`,
    remedy: isHidden
      ? 'Check the name of the repository, and that HF_TOKEN may write to it: https://huggingface.co/settings/tokens.'
      : 'Check the network, HTTPS_PROXY and HF_ENDPOINT, then repeat the command: nothing was committed.',
    cause: error,
  });
}

const tokenMissing = (id: string): UserError =>
  new UserError({
    code: 'hub-token-missing',
    message: `${id} cannot be sent: a token of Hugging Face that may write was expected in HF_TOKEN, or where hf auth login puts it; none was found.`,
    remedy: 'Make one (it begins with hf_): https://huggingface.co/settings/tokens.',
  });
