import { createHash } from 'node:crypto';
import { mkdtemp, utimes, writeFile, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalJson, hashJson } from '../../src/pipeline/fingerprint/canonical-json.js';
import { readContent } from '../../src/pipeline/fingerprint/content.js';
import { HashCache } from '../../src/pipeline/fingerprint/hash-cache.js';
import { findInputPaths } from '../../src/pipeline/fingerprint/input-paths.js';
import { fingerprintOf, type Origin } from '../../src/pipeline/fingerprint/origin.js';

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
        '"format":1,"inputs":["d1"],"kind":"train","precision":null,"seed":0}',
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
    const root = await mkdtemp(join(tmpdir(), 'content-'));
    const hashes = await mkdtemp(join(tmpdir(), 'hashes-'));
    await writeFile(join(root, 'b'), 'two');
    await writeFile(join(root, 'a'), 'one');
    const read = async () => readContent(root, { cache: await HashCache.open(hashes, root) });
    const content = await read();
    expect([...content.files]).toEqual([
      ['a', sha256('one')],
      ['b', sha256('two')],
    ]);
    expect(content.bytes).toBe(6);
    expect(content.digest).toBe(sha256(`${sha256('one')} "a"\n${sha256('two')} "b"\n`));
    // Files changed within the last two seconds are not remembered: their times could hide another change.
    expect(await readdir(hashes)).toEqual([]);
    await utimes(join(root, 'a'), long, long);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await read();
    const [name] = await readdir(hashes);
    const text = await readFile(join(hashes, name!), 'utf8');
    await writeFile(join(hashes, name!), text.replace(sha256('one'), 'remembered'));
    expect((await read()).files.get('a')).toBe('remembered');
    await writeFile(join(root, 'a'), 'ONE');
    expect((await read()).files.get('a')).toBe(sha256('ONE'));
    await writeFile(join(hashes, name!), 'not a cache');
    expect((await read()).digest).not.toBe(content.digest);
  });
});
