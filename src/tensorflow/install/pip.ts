import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa, type Result } from 'execa';
import { readWholeTextSync, writePlain } from '../../base/files.js';
import type { Wheel } from './release.js';
import { type FetchContext, partialName, type WheelSource } from './wheel-source.js';

const pollMilliseconds = 500;
/** pip retries by itself; when not a byte has come for this long it is given up. */
const stallMilliseconds = 150_000;

/** `python3 -m pip download`, with whatever index, proxy and certificates pip is configured for. */
export const pip: WheelSource = {
  name: 'python3 -m pip download',
  async fetch(wheel, context) {
    const python = await findPip(context.env);
    if (python === undefined) throw new Error('there is no python3 with pip');
    await mkdir(context.downloads, { recursive: true });
    const scratch = await mkdtemp(join(context.downloads, 'pip-'));
    try {
      const result = await download(python, wheel, scratch, context);
      const path = join(context.downloads, wheel.filename);
      if (result.failed) throw new Error(lastError(result));
      await rename(join(scratch, 'wheels', wheel.filename), path);
      await rm(join(context.downloads, partialName(wheel)), { force: true });
      return { path, ours: true };
    } catch (error) {
      await keepBeginning(scratch, wheel, context.downloads);
      throw error;
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  },
};

async function findPip(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const python of ['python3', 'python']) {
    const options = { env, extendEnv: false, reject: false, timeout: 20_000 } as const;
    if (!(await execa(python, ['-m', 'pip', '--version'], options)).failed) return python;
  }
  return undefined;
}

async function download(
  python: string,
  wheel: Wheel,
  scratch: string,
  context: FetchContext,
): Promise<Result> {
  const requirements = join(scratch, 'requirements.txt');
  await writePlain(requirements, `${wheel.package}==${wheel.version} --hash=sha256:${wheel.sha256}\n`);
  const stalled = new AbortController();
  const process = execa(python, pipArguments(wheel, requirements, join(scratch, 'wheels')), {
    env: { ...context.env, TMPDIR: scratch, PIP_REQUIRE_VIRTUALENV: '0' },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    cancelSignal:
      context.signal === undefined ? stalled.signal : AbortSignal.any([stalled.signal, context.signal]),
  });
  const watch = watchGrowth(scratch, wheel, context, stalled);
  try {
    const result = await process;
    context.signal?.throwIfAborted();
    if (stalled.signal.aborted) throw new Error(`no data came for ${stallMilliseconds / 1000} s`);
    return result as Result;
  } finally {
    clearInterval(watch);
  }
}

function pipArguments(wheel: Wheel, requirements: string, destination: string): string[] {
  const platforms = wheel.filename
    .replace(/\.whl$/, '')
    .split('-')
    .at(-1)!
    .split('.');
  return [
    ...['-m', 'pip', 'download', '--disable-pip-version-check', '--no-input', '--no-cache-dir'],
    ...['--progress-bar', 'off', '--retries', '2', '--no-deps', '--only-binary=:all:'],
    ...['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'],
    ...platforms.flatMap((platform) => ['--platform', platform]),
    ...['--require-hashes', '--requirement', requirements, '--dest', destination],
  ];
}

/** pip shows its progress only to people: the size of the file that it writes tells as much. */
function watchGrowth(
  scratch: string,
  wheel: Wheel,
  { report }: FetchContext,
  stalled: AbortController,
): NodeJS.Timeout {
  let largest = 0;
  let grownAt = Date.now();
  return setInterval(() => {
    void findBeginning(scratch, wheel).then((beginning) => {
      if (beginning !== undefined && beginning.bytes > largest) {
        largest = beginning.bytes;
        grownAt = Date.now();
        report({ type: 'progress', label: wheel.filename, done: largest, total: wheel.bytes });
      }
      if (Date.now() - grownAt > stallMilliseconds) stalled.abort();
    });
  }, pollMilliseconds);
}

/** Moves pip's partial download to where a later download continues it, if it is longer than the one there. */
async function keepBeginning(scratch: string, wheel: Wheel, downloads: string): Promise<void> {
  const partial = join(downloads, partialName(wheel));
  const beginning = await findBeginning(scratch, wheel);
  const kept = await stat(partial).catch(() => undefined);
  if (beginning !== undefined && beginning.bytes > (kept?.size ?? 0)) await rename(beginning.path, partial);
}

async function findBeginning(
  scratch: string,
  wheel: Wheel,
): Promise<{ path: string; bytes: number } | undefined> {
  const entries = await readdir(scratch, { recursive: true }).catch(() => []);
  const found = entries.find((entry) => entry.endsWith(wheel.filename));
  if (found === undefined) return undefined;
  const path = join(scratch, found);
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined ? undefined : { path, bytes: stats.size };
}

function lastError(result: Result): string {
  const lines = String(result.stderr)
    .split('\n')
    .filter((line) => line.startsWith('ERROR:'));
  return lines.at(-1)?.replace(/^ERROR:\s*/, '') ?? `it failed with exit code ${result.exitCode ?? '?'}`;
}

const publicIndex = 'https://pypi.org/simple';

/** Settings of pip that matter to a download without pip. */
interface IndexSettings {
  /** Addresses of package indexes, in the order to ask them. */
  readonly indexes: readonly string[];
  /** Files with certificates to be trusted besides the usual ones. */
  readonly certificates: readonly string[];
}

/** Reads environment variables of pip and uv, then pip's configuration files; the public index where nothing is named. */
export function readIndexSettings(env: NodeJS.ProcessEnv): IndexSettings {
  const file = readConfigurationFiles(env);
  const main = env.PIP_INDEX_URL ?? env.UV_DEFAULT_INDEX ?? env.UV_INDEX_URL ?? file.get('index-url');
  const extra = [env.PIP_EXTRA_INDEX_URL, env.UV_INDEX, env.UV_EXTRA_INDEX_URL, file.get('extra-index-url')];
  const withheld = env.PIP_NO_INDEX !== undefined && !['', '0', 'false', 'no'].includes(env.PIP_NO_INDEX);
  const named = [main ?? publicIndex, ...extra.flatMap((list) => list?.split(/\s+/) ?? [])];
  const certificates = [
    env.PIP_CERT,
    env.REQUESTS_CA_BUNDLE,
    env.SSL_CERT_FILE,
    env.NODE_EXTRA_CA_CERTS,
    file.get('cert'),
  ];
  return {
    indexes: withheld ? [] : named.map(withoutName).filter((each) => each !== ''),
    certificates: certificates.filter((path): path is string => path !== undefined && path !== ''),
  };
}

/** uv lets an index have a name: `mirror=https://…`. */
function withoutName(index: string): string {
  return index.replace(/^[\w.-]+=(?=https?:)/, '').replace(/\/+$/, '');
}

function readConfigurationFiles(env: NodeJS.ProcessEnv): Map<string, string> {
  const home = env.HOME ?? homedir();
  const paths = [
    '/etc/pip.conf',
    join(home, '.pip', 'pip.conf'),
    join(home, 'Library', 'Application Support', 'pip', 'pip.conf'),
    join(env.XDG_CONFIG_HOME ?? join(home, '.config'), 'pip', 'pip.conf'),
    ...(env.PIP_CONFIG_FILE ? [env.PIP_CONFIG_FILE] : []),
  ];
  return new Map(paths.flatMap((path) => parseConfiguration(readIfThere(path))));
}

/** The settings of `[global]` and `[download]` of a pip.conf; of a value over several lines all of it. */
export function parseConfiguration(text: string): [key: string, value: string][] {
  const settings: [string, string][] = [];
  let section = '';
  for (const line of text.split(/\r?\n/)) {
    const heading = /^\[(.+)\]\s*$/.exec(line)?.[1];
    const [, key, value = ''] = /^([\w-]+)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    const last = settings.at(-1);
    if (heading !== undefined) section = heading.trim();
    else if (section !== 'global' && section !== 'download') continue;
    else if (key !== undefined) settings.push([key.replaceAll('_', '-'), value.trim()]);
    else if (/^\s+[^\s#;]/.test(line) && last !== undefined) last[1] = `${last[1]} ${line.trim()}`.trim();
  }
  return settings;
}

function readIfThere(path: string): string {
  try {
    return readWholeTextSync(path);
  } catch {
    return '';
  }
}
