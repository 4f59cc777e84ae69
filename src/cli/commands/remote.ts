import { UserError } from '../../base/errors.js';
import { counted, formatBytes } from '../../base/format.js';
import type { Pipeline } from '../../runner/pipeline.js';
import { takeAcceptance } from '../../runner/plan/accept.js';
import type { Elsewhere } from '../../runner/plan/memory.js';
import { pullOutput } from '../../runner/remote/pull.js';
import { pushOutput } from '../../runner/remote/push.js';
import { refuseSecrets } from '../../runner/remote/rclone.js';
import { Remote, type RemoteOutput } from '../../runner/remote/remote.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { bytesOf, outputContent, outputHash, outputPlace } from '../../runner/store/manifest.js';
import { History } from '../../runner/store/session.js';
import { allOutputs, elsewhereOf, outputsOf } from '../outputs.js';
import type { NamedOutput, NamedOutputs, NamingOptions } from '../outputs.js';
import { exitCodes, say, type Services } from '../services.js';
import { interruptible, progressLine } from '../transfer.js';

export interface RemoteOptions {
  readonly grid?: readonly string[];
  readonly set: readonly string[];
  readonly until?: string;
  readonly runs?: string;
  readonly json?: boolean;
}

export interface PushCommandOptions extends RemoteOptions {
  readonly force?: boolean;
}

/** Outcome of moving an output. */
interface Moved extends NamedOutput {
  readonly outcome: 'sent' | 'brought' | 'there' | 'missing';
  readonly bytes: number;
}

/** `pipeline push`: sends finished outputs to a remote. Gives the exit code. */
export function push(
  address: string,
  what: readonly string[],
  { force, ...options }: PushCommandOptions,
  services: Services,
): Promise<number> {
  return withRemote(address, services, async (remote, signal) => {
    const named = await allNamed(what, options, services, (runsRoot) => allOutputs(runsRoot));
    if (typeof named === 'number') return named;
    const finished = named.map(({ runsRoot, outputs }) => ({
      runsRoot,
      outputs: outputs.filter(({ state }) => state !== 'nowhere'),
    }));
    if (finished.every(({ outputs }) => outputs.length === 0)) throw nothingToPush(what);
    const unfinished = named.flatMap(({ outputs }) => outputs.filter(({ state }) => state === 'nowhere'));
    const moved = await moveEach(finished, services, options, async (output, runsRoot, onBytes) => {
      const place = outputPlace(runsRoot, output.kind, output.fingerprint);
      const { sent, bytes } = await pushOutput(place, remote, {
        ...{ runsRoot, signal, onBytes },
        force: force === true,
      });
      return { outcome: sent ? 'sent' : 'there', bytes };
    });
    closing(moved, `${remote.shown} now has`, options, services);
    if (unfinished.length > 0)
      say(services.stderr, `note: not finished, so not sent: ${names(unfinished)}\n`);
    return exitCodes.done;
  });
}

/** `pipeline pull`: brings outputs of a remote into the store. Gives the exit code. */
export function pull(
  address: string,
  what: readonly string[],
  options: RemoteOptions,
  services: Services,
): Promise<number> {
  return withRemote(address, services, async (remote, signal) => {
    const named = await allNamed(what, options, services, () => allOnRemote(remote), find(remote));
    if (typeof named === 'number') return named;
    const moved = await bring(named, remote, signal, options, services);
    closing(moved, 'Here now', options, services);
    const missing = moved.filter(({ outcome }) => outcome === 'missing');
    if (missing.length === 0) return exitCodes.done;
    throw new UserError({
      code: 'not-on-remote',
      message: `${remote.shown} does not have: ${names(missing)}.`,
      remedy:
        'Who has them may send them: npx pipeline push REMOTE FILE. Otherwise npx pipeline run makes them.',
    });
  });
}

/**
 * Brings what a file asks for, before it runs: what the remote does not have will be made. Gives an exit code where
 * nothing is to run.
 */
export async function pullFirst(
  address: string,
  file: string,
  options: RemoteOptions & Pick<NamingOptions, 'force' | 'only'>,
  services: Services,
): Promise<number | undefined> {
  const exitCode = await withRemote(address, services, async (remote, signal) => {
    const named = await outputsOf(file, options, services, find(remote));
    if (typeof named === 'number') return named;
    const moved = await bring([named], remote, signal, { json: true }, services);
    const brought = moved.filter(({ outcome }) => outcome === 'brought');
    if (brought.length > 0 && options.json !== true)
      say(services.stdout, `Pulled from ${remote.shown}: ${names(brought)} (${sizeOf(brought)})\n`);
    return exitCodes.done;
  });
  return exitCode === exitCodes.done ? undefined : exitCode;
}

/** Makes a plan in which outputs that a remote has count as made. Gives the exit code where it is interrupted. */
export function planWith<Planned>(
  address: string,
  pipeline: Pick<Pipeline, 'file'>,
  services: Services,
  make: (options: { readonly elsewhere: Elsewhere; readonly signal: AbortSignal }) => Promise<Planned>,
): Promise<Planned | number> {
  return withRemote(address, services, async (remote, signal) =>
    make({ elsewhere: await elsewhereOf(pipeline, find(remote)), signal }),
  );
}

/** Finds outputs on a remote, for a plan. */
const find =
  (remote: Remote) =>
  async (output: Pick<NamedOutput, 'kind' | 'fingerprint'>): Promise<RemoteOutput['manifest'] | undefined> =>
    (await remote.find(output))?.manifest;

/** Does work with a remote, until it is done or interrupted. Gives its result, or the exit code. */
export async function withRemote<Result>(
  address: string,
  services: Services,
  work: (remote: Remote, signal: AbortSignal) => Promise<Result>,
): Promise<Result | typeof exitCodes.interrupted> {
  refuseSecrets(address);
  return interruptible('what has arrived is kept, and the same command continues', services, (signal) =>
    work(new Remote(address, { env: services.env, signal }), signal),
  );
}

async function allNamed(
  what: readonly string[],
  options: RemoteOptions,
  services: Services,
  everything: (runsRoot: string) => Promise<readonly NamedOutput[]>,
  elsewhere?: ReturnType<typeof find>,
): Promise<readonly NamedOutputs[] | number> {
  if (what.length === 0) {
    const runsRoot = runsRootOf(process.cwd(), options.runs, services.env);
    return [{ runsRoot, outputs: await everything(runsRoot) }];
  }
  const named: NamedOutputs[] = [];
  for (const each of what) {
    const found = await outputsOf(each, options, services, elsewhere);
    if (typeof found === 'number') return found;
    named.push(found);
  }
  return named;
}

async function allOnRemote(remote: Remote): Promise<readonly NamedOutput[]> {
  const found: NamedOutput[] = [];
  for (const { kind, key } of await remote.list()) {
    const output = await remote.open(kind, key);
    if (output) found.push({ kind, fingerprint: output.manifest.fingerprint });
  }
  if (found.length > 0) return found;
  throw new UserError({
    code: 'remote-empty',
    message: `${remote.shown} holds no outputs.`,
    remedy: 'Check its path: it is the one that outputs were sent to with npx pipeline push.',
  });
}

async function bring(
  named: readonly NamedOutputs[],
  remote: Remote,
  signal: AbortSignal,
  options: Pick<RemoteOptions, 'json'>,
  services: Services,
): Promise<readonly Moved[]> {
  const registry = await services.loadRegistry();
  return moveEach(named, services, options, async (output, runsRoot, onBytes) => {
    const accept = async (): Promise<void> => {
      if (output.accepted === undefined) return;
      const { insteadOf, acceptance } = output.accepted;
      await takeAcceptance(outputPlace(runsRoot, output.kind, insteadOf), acceptance);
    };
    if (output.state === 'here') {
      await accept();
      return { outcome: 'there', bytes: 0 };
    }
    const found = output.state === 'nowhere' ? undefined : await remote.find(output);
    if (found === undefined) return { outcome: 'missing', bytes: 0 };
    const { manifest } = found;
    if (output.locked !== undefined && outputHash(manifest) !== output.locked.output)
      throw new UserError({
        code: 'lock-differs',
        message: `${remote.shown}: its output of ${nameOf(output)} is not the one that ${output.locked.file} tells of.`,
        remedy: 'Take the lock that belongs to it, or leave the lock out and name the pipeline file.',
      });
    const place = outputPlace(runsRoot, output.kind, output.fingerprint);
    const isNew = await pullOutput(place, remote, found, { runsRoot, signal, onBytes });
    await accept();
    const { stage, pipeline, kind, fingerprint } = output;
    if (stage !== undefined && pipeline !== undefined) {
      const content = outputContent(await registry.load(kind), manifest);
      await (
        await History.open(runsRoot, pipeline)
      ).add({
        ...{ stage, kind, fingerprint, content },
        ...(output.accepted && { accepted: output.accepted.insteadOf }),
      });
    }
    return { outcome: isNew ? 'brought' : 'there', bytes: bytesOf(manifest) };
  });
}

/** Moves outputs one after the other, each once, and tells of each. */
async function moveEach(
  named: readonly NamedOutputs[],
  { stdout, stderr }: Services,
  { json }: Pick<RemoteOptions, 'json'>,
  move: (
    output: NamedOutput,
    runsRoot: string,
    onBytes: (done: number, total: number) => void,
  ) => Promise<Pick<Moved, 'outcome' | 'bytes'>>,
): Promise<readonly Moved[]> {
  const progress = progressLine(stderr);
  const moved = new Map<string, Moved>();
  try {
    for (const { runsRoot, outputs } of named)
      for (const output of outputs) {
        if (moved.has(output.fingerprint)) continue;
        const { outcome, bytes } = await move(output, runsRoot, (done, total) => {
          progress.showBytes(done, total);
        });
        moved.set(output.fingerprint, { ...output, outcome, bytes });
        progress.end();
        if (json !== true && outcome !== 'missing')
          say(
            stdout,
            `${nameOf(output)}  ${outcomes[outcome]}${outcome === 'there' ? '' : `, ${formatBytes(bytes)}`}\n`,
          );
      }
  } finally {
    progress.end();
  }
  return [...moved.values()];
}

const outcomes = { sent: 'sent', brought: 'brought', there: 'there already' } as const;

function closing(
  moved: readonly Moved[],
  where: string,
  { json }: RemoteOptions,
  { stdout }: Services,
): void {
  if (json === true) {
    const outputs = moved.map(({ stage, kind, fingerprint, outcome, bytes }) => ({
      ...(stage !== undefined && { stage }),
      ...{ kind, fingerprint, outcome, bytes },
    }));
    stdout.write(`${JSON.stringify({ outputs })}\n`);
    return;
  }
  const there = moved.filter(({ outcome }) => outcome !== 'missing');
  const changed = there.filter(({ outcome }) => outcome !== 'there');
  say(
    stdout,
    `${where}: ${counted(there.length, 'output')}, ${changed.length} of them new${changed.length > 0 ? ` (${sizeOf(changed)})` : ''}.\n`,
  );
}

const sizeOf = (outputs: readonly Moved[]): string =>
  formatBytes(outputs.reduce((sum, { bytes }) => sum + bytes, 0));

const nameOf = ({ stage, kind, fingerprint }: NamedOutput): string =>
  stage ?? `${kind}/${fingerprint.slice(0, 16)}`;

const names = (outputs: readonly NamedOutput[]): string => [...new Set(outputs.map(nameOf))].join(', ');

function nothingToPush(what: readonly string[]): UserError {
  return new UserError({
    code: 'nothing-to-push',
    message: `${what.length === 0 ? 'This folder of runs' : what.join(', ')}: no finished output was found.`,
    remedy: 'npx pipeline run FILE makes them; npx pipeline plan FILE shows which are there.',
  });
}
