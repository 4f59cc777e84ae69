import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { commit, HubServer } from '../formats/hub/hub-server.js';
import { runOnHub } from '../support/run-command.js';

const fixtures = 'test/fixtures/images';
const id = 'lab/shapes';
let folder: string;
let server: HubServer;
const path = (...parts: string[]) => join(folder, ...parts);

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'hub images ')));
  const file = async (name: string) => ({ content: await readFile(join(fixtures, name)), large: true });
  server = await HubServer.start(
    id,
    {
      'README.md': { content: Buffer.from('# Shapes') },
      'data/train-00000-of-00002.parquet': await file('train-00000-of-00002.parquet'),
      'data/train-00001-of-00002.parquet': await file('train-00001-of-00002.parquet'),
      'data/validation-00000-of-00001.parquet': await file('validation-00000-of-00001.parquet'),
      'shards/wds-000.tar': await file('wds-000.tar'),
      'shards/wds-001.tar': await file('wds-001.tar'),
      // Small enough to be kept in git itself.
      'edm.zip': { content: await readFile(join(fixtures, 'edm.zip')) },
    },
    'datasets',
  );
  server.branches = ['main', 'v1'];
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  for (const each of ['cache', 'runs']) await rm(path(each), { recursive: true, force: true });
  server.misbehave = () => false;
  server.requests.length = 0;
});

/** Runs a command line in this process, with the hub on this machine. */
const pipeline = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runOnHub(args, { url: server.url, folder }, env);

async function file(name: string, images: string, rest = ''): Promise<string> {
  const list = images.startsWith('[') ? images : JSON.stringify(images);
  const text = `name: ${name}\nruntime: { device: cpu, threads: 1 }\nstages:\n  images: { uses: images, path: ${list}, size: 16 }\n${rest}`;
  await writeFile(path(`${name}.yaml`), text);
  return path(`${name}.yaml`);
}

const coder = '  coder: { uses: autoencoder, images: images, channels: [8, 16], steps: 2, batch: 4 }\n';
const train = 'hf://datasets/lab/shapes/data/train-*.parquet';
const indexOf = (name: string) => readFile(path('runs', name, 'latest', 'images', 'index.jsonl'), 'utf8');

describe('images of a data set on Hugging Face', () => {
  it('are downloaded by the run alone, locked by their commit, and read where they are', async () => {
    const yaml = await file('remote', train, coder);
    expect(await pipeline(['validate', yaml])).toMatchObject({ exitCode: 0 });
    expect(server.requests).toEqual([]);
    const planned = await pipeline(['plan', yaml]);
    expect(planned).toMatchObject({ exitCode: 0 });
    expect(planned.text).toMatch(
      /hf:\/\/datasets\/lab\/shapes@main: 2 files, \d+(\.\d)? kB, downloaded when it runs/,
    );
    expect(server.paths('/resolve/')).toEqual([]);
    const ran = await pipeline(['run', yaml]);
    expect(ran).toMatchObject({ exitCode: 0 });
    expect(server.paths('/resolve/')).toHaveLength(2);
    const lock = parse(await readFile(path('remote.lock.yaml'), 'utf8')) as {
      stages: Record<string, object>;
    };
    expect(lock.stages.images).toMatchObject({ config: { path: train }, revision: commit });
    // From the cache: nothing is asked, by the stages that read the images either.
    const { length } = server.requests;
    const offline = { HF_HUB_OFFLINE: '1' };
    const again = await pipeline(['plan', await file('again', train)], offline);
    expect(again.text).toContain(', in the cache');
    expect(await pipeline(['run', yaml, '--locked', '--force', 'coder'], offline)).toMatchObject({
      exitCode: 0,
    });
    expect(server.requests).toHaveLength(length);
    // The same images as of the same files on this machine.
    const local = `[${[0, 1].map((i) => JSON.stringify(join(process.cwd(), fixtures, `train-0000${i}-of-00002.parquet`))).join(', ')}]`;
    await pipeline(['run', await file('local', local)]);
    expect((await indexOf('remote')).replaceAll('data/', '')).toBe(await indexOf('local'));
  });

  it.each([
    ['a folder', 'hf://datasets/lab/shapes/shards', 2],
    ['a range', 'hf://datasets/lab/shapes/shards/wds-{000..001}.tar@v1', 2],
    ['a revision after the name', `hf://datasets/lab/shapes@${commit}/shards/*.tar`, 2],
    ['a small file', 'hf://datasets/lab/shapes/edm.zip', 1],
    ['a list', `["${train}", "hf://datasets/lab/shapes/data/validation-00000-of-00001.parquet"]`, 3],
  ])('may be %s', async (_, address, count) => {
    const ran = await pipeline(['run', await file('forms', address)]);
    expect(ran, ran.text).toMatchObject({ exitCode: 0 });
    expect(server.paths('/resolve/')).toHaveLength(count);
  });

  it('are another output with other files of the same commit', async () => {
    const ofBoth = await pipeline(['run', await file('files', train)]);
    const ofOne = await pipeline(['run', await file('files', train.replace('*', '00000*'))]);
    expect([ofBoth.text, ofOne.text].map((text) => text.includes('images: cached'))).toEqual([false, false]);
    expect((await pipeline(['run', await file('files', train)])).text).toContain('images: cached');
  });

  it('continue where a download broke off', async () => {
    let broken = 0;
    server.misbehave = (request, response, content) => {
      if (request.headers.range !== undefined || broken++ > 0) return false;
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, content.length >> 1));
      // What has been sent arrives first.
      setTimeout(() => response.destroy(), 200);
      return true;
    };
    expect(await pipeline(['run', await file('broken', train)])).toMatchObject({ exitCode: 0 });
    expect(server.requests.filter(({ range }) => range?.match(/^bytes=[1-9]/))).toHaveLength(1);
  });

  it.each([
    ['a large file', train],
    ['a small file', 'hf://datasets/lab/shapes/edm.zip'],
  ])('are refused where the cache holds other bytes of %s', async (_, address) => {
    const yaml = await file('damaged', address, coder);
    expect(await pipeline(['run', yaml])).toMatchObject({ exitCode: 0 });
    const kept = path('cache', 'hub', 'datasets--lab--shapes', 'blobs');
    const [name] = await readdir(kept);
    const content = await readFile(join(kept, name!));
    content[content.length >> 1]! ^= 1;
    await writeFile(join(kept, name!), content);
    // By the stage itself, and by those that read the images through it.
    for (const forced of ['images', 'coder']) {
      const ran = await pipeline(['run', yaml, '--force', forced]);
      expect(ran.exitCode).toBe(1);
      expect(ran.text).toContain('Delete it and run again: it is downloaded once more.');
      expect(ran.text).toContain(name);
    }
  });

  it.each(['empty', 'cut', 'changed'])('are listed again where the list in the cache is %s', async (how) => {
    const yaml = await file('listed', train);
    expect(await pipeline(['plan', yaml])).toMatchObject({ exitCode: 0 });
    const list = path('cache', 'hub', 'datasets--lab--shapes', 'listings', `${commit}.json`);
    const text = await readFile(list, 'utf8');
    const changed = text.replace('train-00001', 'train-00002');
    await writeFile(list, how === 'empty' ? '' : how === 'cut' ? text.slice(0, -40) : changed);
    const planned = await pipeline(['plan', yaml]);
    expect(planned.text).toContain(list);
    expect(planned.text).toContain('its files are listed again');
    expect(planned.text).toContain(': 2 files');
    expect(await readFile(list, 'utf8')).toBe(text);
  });

  it('are downloaded again where the cache was emptied and a stage reads them', async () => {
    const yaml = await file('emptied', train, coder);
    expect(await pipeline(['run', yaml])).toMatchObject({ exitCode: 0 });
    await rm(path('cache'), { recursive: true });
    const ran = await pipeline(['run', yaml, '--force', 'coder']);
    expect(ran, ran.text).toMatchObject({ exitCode: 0 });
    expect(ran.text).toContain('images: cached');
  });
});

describe('is told before anything runs', () => {
  it.each([
    [
      'files that are not there',
      'hf://datasets/lab/shapes/train-*.parquet',
      'It has data/train-00000-of-00002.parquet,',
    ],
    [
      'a file of no form that is read',
      'hf://datasets/lab/shapes/README.md',
      'README.md is, or holds, no tar, zip, parquet',
    ],
    [
      'a folder of several parts of a set',
      'hf://datasets/lab/shapes/data',
      'path: "hf://datasets/lab/shapes/data/train*"',
    ],
    ['a data set that is not there', 'hf://datasets/lab/none/*.tar', 'Check its name and revision'],
    ['a revision that is not there', `${train}@dev`, 'Its branches and tags: main, v1.'],
  ])('%s', async (_, address, said) => {
    const planned = await pipeline(['plan', await file('wrong', address)]);
    expect(planned.exitCode).toBe(1);
    expect(planned.text).toContain(said);
    expect(server.paths('/resolve/')).toEqual([]);
  });

  it('no network, and none wanted', async () => {
    const planned = await pipeline(['plan', await file('offline', train)], { HF_HUB_OFFLINE: '1' });
    expect(planned.exitCode).toBe(1);
    expect(planned.text).toContain('datasets/lab/shapes@main is not in');
  });

  it.each([
    ['hf://datasets/lab', 'are written hf://datasets/OWNER/NAME/FILES'],
    ['hf://datasets/lab/shapes/../x.tar', 'are written hf://datasets/OWNER/NAME/FILES'],
    ['https://example.org/x.tar', 'only files of this machine are read here, and those of data sets'],
    ['["hf://datasets/lab/shapes/a.tar", "b.tar"]', 'of one repository and one revision alone'],
    ['["hf://datasets/lab/shapes/a.tar", "hf://datasets/lab/shapes/b.tar@v1"]', 'of one repository'],
  ])('at its line: %s', async (address, said) => {
    const checked = await pipeline(['validate', await file('malformed', address)]);
    expect(checked.exitCode).toBe(2);
    expect(checked.text).toMatch(/malformed\.yaml:4:/);
    expect(checked.text).toContain(said);
  });
});
