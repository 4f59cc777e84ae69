import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { readWholeText } from '../../base/files.js';
import { parseRepository, type Repository } from '../../formats/hub/repository.js';
import { uploadFolder } from '../../formats/hub/upload.js';
import { lockPath, readLock } from '../../runner/lock/lock-file.js';
import { readAnyManifest } from '../../runner/store/manifest.js';
import { openWeights } from '../../weights/open.js';
import { type ModelHistory, writeHubFolder } from '../../weights/write-hub.js';
import { findWeights } from '../outputs.js';
import { exitCodes, say, type Services } from '../services.js';
import { interruptible } from '../transfer.js';

export interface PublishOptions {
  readonly private?: boolean;
  readonly runs?: string;
  readonly json?: boolean;
}

/** `pipeline publish`: sends a model to a repository on the Hugging Face Hub. Gives the exit code. */
export async function publish(
  name: string,
  target: string,
  options: PublishOptions,
  services: Services,
): Promise<number> {
  const repository = repositoryOf(target);
  return interruptible('nothing was committed', services, (signal) =>
    publishTo(repository, name, options, services, signal),
  );
}

async function publishTo(
  repository: Repository,
  name: string,
  options: PublishOptions,
  services: Services,
  signal: AbortSignal,
): Promise<number> {
  const { stdout, stderr, env } = services;
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-publish-'));
  const tell = (text: string): void => {
    if (options.json !== true) say(stderr, `${text}\n`);
  };
  try {
    const path = await findWeights(name, options.runs, services);
    const work = { tell: () => undefined, onDownload: () => undefined, signal };
    const opened = await openWeights(path, { weights: 'all' }, { ...work, env });
    try {
      if (opened.kind !== 'model')
        throw new UserError({
          code: 'format-unsuitable',
          usage: true,
          message: `${name}: expected a model to publish, found an autoencoder.`,
          remedy: 'Name a stage that trains a model, or a checkpoint.',
        });
      await writeHubFolder(opened.source, folder, await historyOf(name, path), work, repository.id);
    } finally {
      await opened.source.close();
    }
    const address = await uploadFolder(folder, repository, {
      ...{ env, signal, isPrivate: options.private === true },
      title: 'Upload model with mediator-sit',
      onProgress: (phase) => {
        tell(`${repository.id}: ${phase}`);
      },
    });
    stdout.write(
      options.json === true
        ? `${JSON.stringify({ repository: repository.id, revision: repository.revision, commit: address })}\n`
        : `${address}\n`,
    );
    return exitCodes.done;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function repositoryOf(target: string): Repository {
  const repository = parseRepository(target.replace(/^hf:\/\//, ''));
  if (repository !== undefined) return repository;
  throw new UserError({
    code: 'repository-invalid',
    usage: true,
    message: `${target}: expected a repository on the Hugging Face Hub, such as hf://owner/name or hf://owner/name@branch.`,
    remedy: 'For a folder use: npx pipeline export --format hub.',
  });
}

/** Origin of the model of `FILE.yaml#STAGE`; undefined for other weights. */
export async function historyOf(name: string, path: string): Promise<ModelHistory | undefined> {
  const [, file, stage] = /^(.+\.ya?ml)#(.+)$/i.exec(name) ?? [];
  if (file === undefined || stage === undefined) return undefined;
  const manifest = await readAnyManifest(path);
  const pipeline = { name: basename(file), text: await readWholeText(file) };
  const lock = await readLock(file).catch((error: unknown) => {
    if (error instanceof UserError && error.code === 'lock-missing') return undefined;
    throw error;
  });
  // A lock of another model tells nothing of this one.
  if (lock?.stages[stage]?.fingerprint !== manifest.fingerprint)
    return { stage, pipeline, figures: { [stage]: manifest.summary } };
  const figures = Object.entries(lock.stages).flatMap(([id, { figures }]) =>
    figures ? [[id, figures] as const] : [],
  );
  const text = await readWholeText(lockPath(file));
  return {
    stage,
    pipeline,
    lock: { name: basename(lockPath(file)), text },
    figures: Object.fromEntries(figures),
  };
}
