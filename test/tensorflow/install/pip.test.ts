import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pip } from '../../../src/tensorflow/install/pip.js';
import { PackageIndex } from './support/package-index.js';
import { Sandbox } from './support/sandbox.js';
import { cpuWheel, nvidiaWheel } from './support/tiny-release.js';

const hasPip = !execaSync('python3', ['-m', 'pip', '--version'], { reject: false }).failed;
const noPip = 'there is no pip: apt-get install python3-pip';
let sandbox: Sandbox;
let index: PackageIndex;

beforeEach(async () => {
  sandbox = new Sandbox();
  index = await PackageIndex.start(cpuWheel, nvidiaWheel);
});

afterEach(async () => {
  await index.stop();
  sandbox.remove();
});

function context(more: NodeJS.ProcessEnv = {}) {
  const env = {
    HOME: sandbox.folder,
    PATH: process.env.PATH,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_INDEX_URL: index.url,
    ...more,
  };
  const downloads = join(sandbox.cache, 'downloads');
  return { downloads, env, report: () => undefined, signal: undefined };
}

it.for([cpuWheel, nvidiaWheel])('downloads $pin.filename', async ({ pin, body }, { skip }) => {
  if (!hasPip) skip(noPip);
  const fetched = await pip.fetch(pin, context());
  expect(fetched.ours).toBe(true);
  expect(readFileSync(fetched.path).equals(body)).toBe(true);
  expect(readdirSync(join(sandbox.cache, 'downloads'))).toEqual([pin.filename]);
  expect(existsSync(join(sandbox.folder, '.cache', 'pip'))).toBe(false);
});

it('says in one line what pip says', async ({ skip }) => {
  if (!hasPip) skip(noPip);
  index.wheels.length = 0;
  await expect(pip.fetch(cpuWheel.pin, context())).rejects.toThrow(
    /^No matching distribution found for tiny/,
  );
});

it('hands on what a pip that fails had received', async () => {
  const bin = join(sandbox.folder, 'bin');
  mkdirSync(bin);
  // Stands in for a pip whose connection breaks half-way.
  writeFileSync(
    join(bin, 'python3'),
    `#!/bin/sh
[ "$3" = --version ] && exit 0
mkdir "$TMPDIR/pip-unpack-1" && printf 12345 > "$TMPDIR/pip-unpack-1/${cpuWheel.pin.filename}"
echo "ERROR: the connection broke" >&2
exit 1
`,
    { mode: 0o755 },
  );
  const broken = context({ PATH: `${bin}:${process.env.PATH ?? ''}` });
  await expect(pip.fetch(cpuWheel.pin, broken)).rejects.toThrow('the connection broke');
  expect(readdirSync(broken.downloads)).toEqual([`${cpuWheel.pin.filename}.partial`]);
  expect(readFileSync(join(broken.downloads, `${cpuWheel.pin.filename}.partial`), 'utf8')).toBe('12345');
});
