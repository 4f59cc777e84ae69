import { createHash } from 'node:crypto';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedFile, pinnedCommit, repositoryFiles } from '../../../src/formats/hub/files.js';
import { parseRepository } from '../../../src/formats/hub/repository.js';
import { commit, HubServer, serve } from './hub-server.js';
import { toldOfDamage } from '../../support/told-of-damage.js';

const id = 'lab/vae';
const weights = Buffer.alloc(300_000, 'weights ');
const files = {
  'config.json': { content: Buffer.from('{"a":1}') },
  'model.safetensors': { content: weights, large: true },
  'model.bin': { content: Buffer.from('old'), large: true },
};
const wanted = [['config.json'], ['model.safetensors', 'model.bin']];
const repository = { id, revision: 'main' };

let home: string;
let server: HubServer;
let env: NodeJS.ProcessEnv;
const options = () => ({
  env,
  policy: { attempts: 3, firstWaitMilliseconds: 1, longestWaitMilliseconds: 5 },
  patience: { connectMilliseconds: 2000, stallMilliseconds: 400 },
});
const get = () => repositoryFiles(repository, commit, wanted, options());

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-'));
  server = await HubServer.start(id, files);
  env = { HF_HOME: home, HF_ENDPOINT: `${server.url}/` };
});
afterEach(async () => {
  await server.stop();
  await rm(home, { recursive: true });
});

const folder = () => join(home, 'hub', 'models--lab--vae');

describe('a name', () => {
  it('is an organisation and a model, with a revision or without', () => {
    expect(parseRepository('stabilityai/sd-vae-ft-ema')).toEqual({
      id: 'stabilityai/sd-vae-ft-ema',
      revision: 'main',
    });
    expect(parseRepository('a/b@refs/pr/1')).toEqual({ id: 'a/b', revision: 'refs/pr/1' });
    for (const path of ['./a/b', '/a/b', '../a', 'a', 'a/b/c', 'a/b@', 'a/b@../c', '~/b'])
      expect(parseRepository(path), path).toBeUndefined();
  });
});

describe('the cache', () => {
  it("is laid out as Hugging Face's libraries lay it out", async () => {
    expect(await pinnedCommit(repository, options())).toBe(commit);
    const snapshot = await get();
    expect(snapshot).toBe(join(folder(), 'snapshots', commit));
    expect(await readFile(join(folder(), 'refs', 'main'), 'utf8')).toBe(commit);
    const sha256 = createHash('sha256').update(weights).digest('hex');
    expect(await readlink(join(snapshot, 'model.safetensors'))).toBe(`../../blobs/${sha256}`);
    expect(await readFile(join(snapshot, 'model.safetensors'))).toEqual(weights);
    // What git calls a file of these seven bytes: printf '{"a":1}' | git hash-object --stdin
    expect(await readlink(join(snapshot, 'config.json'))).toBe(
      '../../blobs/daa5053ecf5f9a37b2de733d0751cc1ab53ac010',
    );
    expect((await readdir(join(folder(), 'blobs'))).some((name) => name.includes('incomplete'))).toBe(false);
    expect(server.paths('model.bin')).toEqual([]);
  });

  it('answers without a network once it has what is wanted', async () => {
    await pinnedCommit(repository, options());
    await get();
    const { length } = server.requests;
    env = { ...env, HF_HUB_OFFLINE: '1' };
    expect(await pinnedCommit(repository, options())).toBe(commit);
    await get();
    expect(server.requests).toHaveLength(length);
    expect(cachedFile(repository, 'config.json', env)).toBe(
      join(folder(), 'snapshots', commit, 'config.json'),
    );
  });

  it('is not used where it is damaged, which is said', async () => {
    await pinnedCommit(repository, options());
    const snapshot = await get();
    const ref = join(folder(), 'refs', 'main');
    for (const text of ['', 'main', commit.slice(1)]) {
      await writeFile(ref, text);
      const { result, told } = await toldOfDamage(() => pinnedCommit(repository, options()));
      expect(result).toBe(commit);
      expect(told).toEqual([expect.stringContaining(`${ref} is damaged`)]);
    }
    await writeFile(await realpath(join(snapshot, 'config.json')), '{"a":2}');
    await expect(get()).rejects.toMatchObject({ code: 'hub-file-damaged' });
  });

  it('takes what another library put there', async () => {
    const other = 'f'.repeat(40);
    await mkdir(join(folder(), 'refs'), { recursive: true });
    await writeFile(join(folder(), 'refs', 'main'), other);
    await mkdir(join(folder(), 'snapshots', other), { recursive: true });
    await writeFile(join(folder(), 'snapshots', other, 'config.json'), '{}');
    await writeFile(join(folder(), 'snapshots', other, 'model.bin'), 'x');
    expect(await pinnedCommit(repository, options())).toBe(other);
    expect(await repositoryFiles(repository, other, wanted, options())).toContain(other);
    expect(server.requests).toEqual([]);
  });

  it.each([
    ['HF_HUB_CACHE', (path: string) => ({ HF_HUB_CACHE: path }), ''],
    ['HUGGINGFACE_HUB_CACHE', (path: string) => ({ HUGGINGFACE_HUB_CACHE: path }), ''],
    ['XDG_CACHE_HOME', (path: string) => ({ XDG_CACHE_HOME: path }), 'huggingface/hub'],
  ])('is where %s says', async (_, variables, below) => {
    env = { ...variables(join(home, 'cache')), HF_ENDPOINT: server.url };
    expect(await get()).toBe(join(home, 'cache', below, 'models--lab--vae', 'snapshots', commit));
  });

  it('says that something is missing where nothing may be downloaded', async () => {
    env = { ...env, HF_HUB_OFFLINE: 'yes' };
    await expect(pinnedCommit(repository, options())).rejects.toMatchObject({ code: 'hub-offline' });
    await expect(get()).rejects.toMatchObject({ code: 'hub-offline' });
    expect(server.requests).toEqual([]);
  });
});

describe('a download', () => {
  it('goes on where a connection was cut', async () => {
    let cuts = 0;
    server.misbehave = (request, response, content) => {
      if (content !== weights || cuts === 2) return false;
      cuts++;
      const start = Number(/\d+/.exec(request.headers.range ?? '0')![0]);
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': content.length - start,
        ...(start > 0 && { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
      });
      // What was sent arrives before the cut: some versions of Node drop what the client has not read yet.
      response.write(content.subarray(start, start + 100_000), () =>
        setTimeout(() => response.destroy(), 100),
      );
      return true;
    };
    const snapshot = await get();
    expect(await readFile(join(snapshot, 'model.safetensors'))).toEqual(weights);
    const ranges = server.requests
      .filter(({ path }) => path.endsWith('model.safetensors'))
      .map(({ range }) => range);
    expect(ranges).toHaveLength(3);
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true);
  });

  it('goes on in another process than it began in', async () => {
    const blob = join(folder(), 'blobs', createHash('sha256').update(weights).digest('hex'));
    await mkdir(join(folder(), 'blobs'), { recursive: true });
    await writeFile(`${blob}.incomplete`, weights.subarray(0, 1234));
    await get();
    expect(server.requests.find(({ path }) => path.endsWith('.safetensors'))?.range).toBe('bytes=1234-');
    expect(await readFile(blob)).toEqual(weights);
  });

  it('is patient with a slow server, and not with one that says nothing', async () => {
    server.misbehave = (_, response, content) => {
      if (content !== weights) return false;
      response.writeHead(200, { 'content-length': content.length });
      const send = (at: number): void => {
        if (at >= content.length) response.end();
        else response.write(content.subarray(at, at + 50_000), () => setTimeout(send, 100, at + 50_000));
      };
      send(0);
      return true;
    };
    await get();
    await rm(home, { recursive: true });
    server.misbehave = (_, response) => {
      response.writeHead(200, { 'content-length': 7 });
      response.write('{');
      return true;
    };
    await expect(get()).rejects.toMatchObject({ code: 'hub-unreachable' });
  });

  it('starts again where what came is not what was announced', async () => {
    let damaged = true;
    server.misbehave = (request, response, content) => {
      if (content !== weights || !damaged) return false;
      damaged = false;
      serve(Buffer.alloc(content.length, 'x'), request.headers.range, response);
      return true;
    };
    const snapshot = await get();
    expect(await readFile(join(snapshot, 'model.safetensors'))).toEqual(weights);
  });

  it('gives up on a server that keeps sending something else, and leaves nothing under its name', async () => {
    server.misbehave = (request, response, content) => {
      serve(Buffer.alloc(content.length, 'x'), request.headers.range, response);
      return true;
    };
    await expect(get()).rejects.toThrow(/lab\/vae@main cannot be downloaded: config\.json arrives damaged/);
    await expect(lstat(join(folder(), 'snapshots', commit, 'config.json'))).rejects.toThrow('ENOENT');
    expect(await readdir(join(folder(), 'blobs'))).toEqual([]);
  });

  it('refuses a file of another size than the hub says', async () => {
    server.lie = (name, bytes) => (name === 'model.safetensors' ? bytes - 1 : bytes);
    await expect(get()).rejects.toThrow(/a file of 300000 bytes in place of 299999/);
    server.misbehave = (_, response, content) => {
      // Without a length, more than was announced.
      response.writeHead(200);
      response.end(content);
      return true;
    };
    await expect(get()).rejects.toThrow(/a file of more than 299999 bytes in place of 299999/);
  });

  it('is done once by two at the same time', async () => {
    await Promise.all([get(), get()]);
    expect(server.paths('model.safetensors')).toHaveLength(1);
  });
});

describe('permission', () => {
  const secret = 'hf_secret';

  it('comes from HF_TOKEN or the file of the login, and is not shown to where files are sent from', async () => {
    server.token = secret;
    const store = await HubServer.start(id, files);
    server.elsewhere = store.url;
    env = { ...env, HF_TOKEN: secret };
    await get();
    expect(store.requests.map(({ token }) => token)).toEqual([undefined, undefined]);
    await store.stop();
    server.elsewhere = undefined;
    env = { HF_HOME: home, HF_ENDPOINT: server.url };
    await rm(folder(), { recursive: true });
    await writeFile(join(home, 'token'), `${secret}\n`);
    await get();
  });

  it('is asked for where it is missing; the secret is in no message', async () => {
    server.token = 'another';
    env = { ...env, HF_TOKEN: secret };
    const error = (await get().catch((caught: unknown) => caught)) as Error & { remedy: string };
    expect(error).toMatchObject({ code: 'hub-refused' });
    expect(error.message).toMatch(/answers 401/);
    expect(error.remedy).toMatch(/set HF_TOKEN/);
    expect(error.message + error.remedy + String(error.cause)).not.toContain(secret);
    const names = await readdir(home, { recursive: true, withFileTypes: true });
    for (const entry of names.filter((entry) => entry.isFile()))
      expect(await readFile(join(entry.parentPath, entry.name), 'utf8')).not.toContain(secret);
  });

  it('does not help where there is no such repository or file', async () => {
    const unknown = { id: 'lab/none', revision: 'main' };
    await expect(pinnedCommit(unknown, options())).rejects.toThrow(
      /lab\/none@main cannot be downloaded: .* answers 404/,
    );
    await expect(repositoryFiles(repository, commit, [['a.json', 'b.json']], options())).rejects.toThrow(
      /lab\/vae has no a\.json or b\.json/,
    );
  });
});
