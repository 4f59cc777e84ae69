import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseConfiguration, readIndexSettings } from '../../../src/tensorflow/install/pip.js';
import { Sandbox } from './support/sandbox.js';

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => {
  sandbox.remove();
});

const indexes = (env: NodeJS.ProcessEnv) =>
  readIndexSettings({ PIP_CONFIG_FILE: '/dev/null', HOME: sandbox.folder, ...env }).indexes;

it.each<[string, NodeJS.ProcessEnv, string[]]>([
  ['pip', { PIP_INDEX_URL: 'https://a.test/simple/' }, ['https://a.test/simple']],
  ['uv', { UV_DEFAULT_INDEX: 'ours=https://b.test/simple' }, ['https://b.test/simple']],
  ['uv of old', { UV_INDEX_URL: 'https://b.test/simple' }, ['https://b.test/simple']],
  [
    'pip, with a second index',
    { PIP_INDEX_URL: 'https://a.test', PIP_EXTRA_INDEX_URL: 'https://c.test https://d.test' },
    ['https://a.test', 'https://c.test', 'https://d.test'],
  ],
  ['pip, before uv', { PIP_INDEX_URL: 'https://a.test', UV_INDEX_URL: 'https://b.test' }, ['https://a.test']],
  ['pip, which may use none', { PIP_INDEX_URL: 'https://a.test', PIP_NO_INDEX: '1' }, []],
])('takes the index that the environment names for %s', (_, env, expected) => {
  expect(indexes(env)).toEqual(expected);
});

it("reads pip's configuration file of the user", () => {
  mkdirSync(join(sandbox.folder, '.config', 'pip'), { recursive: true });
  writeFileSync(
    join(sandbox.folder, '.config', 'pip', 'pip.conf'),
    '[global]\nindex-url = https://mirror.test/simple\ncert = /etc/company.pem\n',
  );
  const settings = readIndexSettings({ HOME: sandbox.folder });
  expect(settings.indexes[0]).toBe('https://mirror.test/simple');
  expect(settings.certificates).toEqual(['/etc/company.pem']);
});

it('reads sections, comments, underscores and values over several lines', () => {
  const text = [
    '# ours',
    '[global]',
    'index_url: https://a.test',
    'extra-index-url =',
    '    https://b.test',
    '    # not this',
    '    https://c.test',
    '[install]',
    'index-url = https://not-for-downloads.test',
    '[download]',
    'cert = x.pem',
  ].join('\n');
  expect(parseConfiguration(text)).toEqual([
    ['index-url', 'https://a.test'],
    ['extra-index-url', 'https://b.test https://c.test'],
    ['cert', 'x.pem'],
  ]);
});
