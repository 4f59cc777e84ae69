import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { commit, HubServer } from '../formats/hub/hub-server.js';
import { digest } from '../support/digest.js';
import { fixturePath } from '../support/fixture-checks.js';
import { runOnHub } from '../support/run-command.js';

const id = 'lab/sit';
let folder: string;
let server: HubServer;
const path = (...parts: string[]) => join(folder, ...parts);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub weights '));
  const weights = await readFile(fixturePath('reference_checkpoint.pt'));
  server = await HubServer.start(id, {
    'README.md': { content: Buffer.from('# SiT') },
    'SiT-tiny.pt': { content: weights, large: true },
    'other/0400000.pt': { content: weights, large: true },
  });
  server.branches = ['main', 'ema-only'];
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await rm(path('cache'), { recursive: true, force: true });
  server.gated = false;
});

/** Runs a command line in this process, with the hub on this machine. */
const pipeline = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runOnHub(args, { url: server.url, folder }, env);

async function file(name: string, weights: string): Promise<string> {
  const text = `name: ${name}\nstages:\n  model: { uses: pretrained, path: '${weights}' }\n`;
  await writeFile(path(`${name}.yaml`), text);
  return path(`${name}.yaml`);
}

describe('a file of a repository', () => {
  it('is downloaded by the run alone, and locked by its commit and SHA-256', async () => {
    const yaml = await file('remote', 'hf://lab/sit/SiT-tiny.pt');
    expect(await pipeline(['validate', yaml])).toMatchObject({ exitCode: 0 });
    const planned = await pipeline(['plan', yaml]);
    expect(planned).toMatchObject({ exitCode: 0 });
    expect(planned.text).toContain('hf://lab/sit/SiT-tiny.pt, downloaded when it runs');
    expect(server.paths('/resolve/')).toEqual([]);
    expect(await pipeline(['run', yaml])).toMatchObject({ exitCode: 0 });
    const lock = parse(await readFile(path('remote.lock.yaml'), 'utf8')) as {
      stages: Record<string, object>;
    };
    expect(lock.stages.model).toMatchObject({
      config: { path: 'hf://lab/sit/SiT-tiny.pt' },
      revision: commit,
      sha256: await digest(fixturePath('reference_checkpoint.pt')),
      figures: { depth: 1, steps: 42 },
    });
    // From the cache: what is in it is told in planning, and nothing is asked.
    const { length } = server.requests;
    const offline = { HF_HUB_OFFLINE: '1' };
    const again = await pipeline(['plan', await file('again', 'hf://lab/sit/SiT-tiny.pt')], offline);
    expect(again.text).toContain('Weights: `model`; their moving average: `ema`.');
    expect(await pipeline(['run', yaml, '--locked'], offline)).toMatchObject({ exitCode: 0 });
    expect(await pipeline(['import', 'hf://lab/sit/SiT-tiny.pt@main', path('ours')], offline)).toMatchObject({
      exitCode: 0,
    });
    expect(server.requests).toHaveLength(length);
  });

  it('may be in a folder and of a revision, written at either place', async () => {
    for (const [i, name] of [
      'hf://lab/sit/other/0400000.pt@ema-only',
      'hf://lab/sit@ema-only/other/0400000.pt',
      `hf://lab/sit/other/0400000.pt@${commit}`,
    ].entries())
      expect(await pipeline(['import', name, path(`made-${i}`)])).toMatchObject({ exitCode: 0 });
    expect(await digest(path('made-0', 'ema.safetensors'))).toBe(
      await digest(path('made-2', 'ema.safetensors')),
    );
  });

  it('is another output than another file of the same commit', async () => {
    const run = async (name: string) => pipeline(['run', await file('two', `hf://lab/sit/${name}`)]);
    expect((await run('SiT-tiny.pt')).text).toContain('model: cached');
    expect((await run('other/0400000.pt@main')).text).not.toContain('model: cached');
    expect((await run('other/0400000.pt@ema-only')).text).toContain('model: cached');
  });

  it('starts a training, of which it is pinned', async () => {
    const { stage } = await import('../../src/stages/train/kind.js');
    vi.stubEnv('HF_HOME', path('cache'));
    vi.stubEnv('HF_ENDPOINT', server.url);
    try {
      const start = { path: 'hf://lab/sit/SiT-tiny.pt', weights: 'all' };
      expect(await stage.pin!({ start } as never, folder)).toEqual({ 'start.path': `${commit}/SiT-tiny.pt` });
      expect(stage.externalInputs({ start } as never, folder)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe('what is wrong is told', () => {
  it.each([
    [
      'a name that is near',
      'hf://lab/sit/SiT-tny.pt',
      'lab/sit has no SiT-tny.pt; its weights are SiT-tiny.pt, other/0400000.pt.',
    ],
    ['a revision that is not there', 'hf://lab/sit/SiT-tiny.pt@dev', 'it has no revision dev; 127.0.0.1'],
    ['a repository that is not there', 'hf://lab/none/SiT-tiny.pt', 'Check its name and revision'],
  ])('in planning: %s', async (_, weights, message) => {
    const planned = await pipeline(['plan', await file('wrong', weights)]);
    expect(planned.exitCode).toBe(1);
    expect(planned.text).toContain(message);
  });

  it('lists the revisions there are', async () => {
    const { text } = await pipeline(['plan', await file('wrong', 'hf://lab/sit/SiT-tiny.pt@dev')]);
    expect(text).toContain('Its branches and tags: main, ema-only.');
  });

  it('access that is not granted', async () => {
    server.gated = true;
    const imported = await pipeline(['import', 'hf://lab/sit/SiT-tiny.pt', path('gated')]);
    expect(imported.exitCode).toBe(1);
    expect(imported.text).toContain('access to it is restricted to those who accepted its conditions');
    expect(imported.text).toContain(`Accept them on ${server.url}/lab/sit, then set HF_TOKEN`);
  });

  it('no network, and none wanted', async () => {
    const away = { HF_ENDPOINT: 'http://127.0.0.1:1', HF_HUB_OFFLINE: '1' };
    const imported = await pipeline(['import', 'hf://lab/sit/SiT-tiny.pt', path('away')], away);
    expect(imported.exitCode).toBe(1);
    expect(imported.text).toContain('nothing may be downloaded (HF_HUB_OFFLINE)');
  });

  it.each([
    'hf://lab/sit',
    'hf://lab/sit/',
    'hf://lab/sit/../x.pt',
    'hf://lab/sit@a/x.pt@b',
    'hf://datasets/lab/sit/x.pt',
    'https://huggingface.co/lab/sit/resolve/main/SiT-tiny.pt',
  ])('%s is no such name, at its line', async (weights) => {
    const checked = await pipeline(['validate', await file('malformed', weights)]);
    expect(checked.exitCode).toBe(2);
    expect(checked.text).toContain('malformed.yaml:3:');
    expect(checked.text).toContain('is written hf://OWNER/NAME/FILE');
  });

  it('an address where only this machine is read', async () => {
    const text = 'name: x\nstages:\n  images: { uses: images, path: "s3://bucket/images", size: 32 }\n';
    await writeFile(path('x.yaml'), text);
    const checked = await pipeline(['validate', path('x.yaml')]);
    expect(checked.exitCode).toBe(2);
    expect(checked.text).toContain('`s3://bucket/images` is an address; only files of this machine are read');
  });

  it('a file in the cache that is damaged', async () => {
    const yaml = await file('damaged', 'hf://lab/sit/SiT-tiny.pt');
    await pipeline(['import', 'hf://lab/sit/SiT-tiny.pt', path('whole')]);
    const blob = path(
      'cache',
      'hub',
      'models--lab--sit',
      'blobs',
      await digest(fixturePath('reference_checkpoint.pt')),
    );
    const bytes = await readFile(blob);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(blob, bytes);
    await rm(path('runs'), { recursive: true, force: true });
    const run = await pipeline(['run', yaml]);
    expect(run.exitCode).toBe(1);
    expect(run.text).toContain('and should be its name. Delete it and run again');
  });
});
