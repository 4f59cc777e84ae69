import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const publicIndex = 'https://pypi.org/simple';

/** What of pip's configuration matters to who downloads without pip. */
export interface IndexSettings {
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
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
