import { sealLine, unsealLine } from '../../src/base/sealed.js';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findInputPaths, readContent } from '../../src/runner/fingerprint/content.js';
import { readHashes } from '../../src/runner/fingerprint/hash-cache.js';
import { canonicalJson, fingerprintOf, hashJson, type Origin } from '../../src/runner/fingerprint/origin.js';
import { walkFiles } from '../../src/runner/fingerprint/walk-files.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('canonical JSON', () => {
  it('has one spelling for each value', () => {
    expect(canonicalJson({ b: [1, -0, 1e21, 'ä"\n'], a: { d: null, c: true } })).toBe(
      '{"a":{"c":true,"d":null},"b":[1,0,1e+21,"ä\\"\\n"]}',
    );
    expect(hashJson([])).toBe(sha256('[]'));
    expect(() => canonicalJson(NaN)).toThrow('NaN');
  });
});

describe('a fingerprint', () => {
  const origin: Origin = {
    kind: 'train',
    codeVersion: 1,
    seed: 0,
    config: { images: 'pictures', path: 'data', steps: 3 },
    references: [{ path: ['images'], stage: 'pictures', fingerprint: 'f1' }],
    inputs: [{ location: '/x/data', paths: [['path']], files: 1, bytes: 1, digest: 'd1' }],
  };
  it('is SHA-256 of the origin without names and places', () => {
    const expected = sha256(
      '{"codeVersion":1,"config":{"images":{"output":"f1"},"path":{"content":"d1"},"steps":3},' +
        '"format":2,"inputs":["d1"],"kind":"train","precision":null,"seed":0}',
    );
    expect(fingerprintOf(origin)).toBe(expected);
    const elsewhere: Origin = {
      ...origin,
      config: { path: '/y', steps: 3, images: 'others' },
      references: [{ path: ['images'], stage: 'others', fingerprint: 'f1' }],
      inputs: [{ ...origin.inputs[0]!, location: '/y' }],
    };
    expect(fingerprintOf(elsewhere)).toBe(expected);
  });
  it.each([
    { seed: 1 },
    { codeVersion: 2 },
    { kind: 'sample' },
    { precision: 'float32' },
    { config: { images: 'pictures', path: 'data', steps: 4 } },
    { references: [{ path: ['images'], stage: 'pictures', fingerprint: 'f2' }] },
    { inputs: [{ ...origin.inputs[0]!, digest: 'd2' }] },
  ])('changes with %o', (change) => {
    expect(fingerprintOf({ ...origin, ...change })).not.toBe(fingerprintOf(origin));
  });
});

describe('findInputPaths', () => {
  it('finds keys that hold the path, in any spelling, and no other keys', () => {
    const config = {
      path: './data/',
      labels: { file: 'data', image: 'data' },
      more: [{ weightsPath: '/p/data' }],
    };
    expect(findInputPaths(config, '/p/data', '/p')).toEqual([
      ['path'],
      ['labels', 'file'],
      ['more', '0', 'weightsPath'],
    ]);
  });
});

describe('content', () => {
  const long = new Date(Date.now() - 60_000);

  it('is the SHA-256 of every file by name, and remembered while a file is untouched', async () => {
    const root = await temporaryFolder('content');
    const hashes = await temporaryFolder('hashes');
    await writeFile(join(root, 'b'), 'two');
    await writeFile(join(root, 'a'), 'one');
    const read = () => readContent(root, { hashes });
    const hashOf = async (wanted: string): Promise<string | undefined> => {
      for await (const [name, sha256] of readHashes((await read()).hashes!))
        if (name === wanted) return sha256;
      return undefined;
    };
    const content = await read();
    expect([content.files, content.bytes]).toEqual([2, 6]);
    expect(content.digest).toBe(sha256(`${sha256('one')} "a"\n${sha256('two')} "b"\n`));
    // Files changed within the last two seconds are not trusted: their times could hide another change.
    const [name] = await readdir(hashes);
    const remembered = (): Promise<string> => readFile(join(hashes, name!), 'utf8');
    const forge = async (): Promise<void> => {
      const forged = (line: string) => {
        if (!line.startsWith('["a"')) return line;
        const [path, , ...state] = unsealLine(line) as [string, string, ...string[]];
        return sealLine([path, 'remembered', ...state]);
      };
      await writeFile(join(hashes, name!), (await remembered()).split('\n').map(forged).join('\n'));
    };
    await forge();
    expect(await hashOf('a')).toBe(sha256('one'));
    // A time that was set, back or into the future, hides nothing and is no reason for distrust.
    await utimes(join(root, 'a'), long, new Date(Date.now() + 86_400_000));
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await read();
    await forge();
    expect(await hashOf('a')).toBe('remembered');
    await writeFile(join(root, 'a'), 'ONE');
    await utimes(join(root, 'a'), long, new Date(Date.now() + 86_400_000));
    expect(await hashOf('a')).toBe(sha256('ONE'));
    await writeFile(join(hashes, name!), 'not a cache');
    expect(await hashOf('b')).toBe(sha256('two'));
  });
});

describe('a walk', () => {
  const names = async (root: string, options = {}): Promise<string[]> => {
    const found: string[] = [];
    for await (const batch of walkFiles(root, options)) found.push(...batch.map(({ name }) => name));
    return found;
  };

  it('gives names in the order in which they sort whole, following links, each folder on a way once', async () => {
    const root = await temporaryFolder('walk');
    for (const folder of ['b', 'b/ü x', 'left out', 'empty', '.git', 'y.yaml'])
      await mkdir(join(root, folder));
    const litter = ['b/.DS_Store', '.git/index', 'b/.hidden', 'train.lock.yaml', 'train.yaml', 'b/more.YML'];
    const files = ['a', 'b.txt', 'b/1', 'b/ü x/2', 'b-', 'left out/3', 'y.yaml/5', 'z/4', ...litter];
    await mkdir(join(root, 'z'));
    for (const file of files) await writeFile(join(root, file), '');
    await symlink('..', join(root, 'b', 'up'));
    await symlink('nowhere', join(root, 'b', 'nowhere'));
    await symlink('itself', join(root, 'itself'));
    await symlink('../z', join(root, 'b', 'z'));
    const expected = ['a', 'b-', 'b.txt', 'b/1', 'b/nowhere', 'b/z/4', 'b/ü x/2', 'itself'];
    expected.push('y.yaml/5', 'z/4');
    expect(await names(root, { leaveOut: join(root, 'left out') })).toEqual(expected);
    expect(expected.toSorted()).toEqual(expected);
    expect(await names(join(root, 'a'))).toEqual(['']);
    await expect(names(join(root, 'missing'))).rejects.toThrow('ENOENT');
  });
});
