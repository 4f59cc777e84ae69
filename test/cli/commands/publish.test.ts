import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parse } from 'yaml';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { referenceOrder } from '../../../src/models/sit/reference-state.js';
import { openModel } from '../../../src/weights/open.js';
import { writeHubFolder } from '../../../src/weights/write-hub.js';
import { fixturePath } from '../../support/fixture-checks.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { runCommand } from '../../support/run-command.js';

/** Enough of the Hub's protocol to send files to it: repositories, preupload, Git LFS, commits. */
class Hub {
  readonly repositories = new Map<
    string,
    { isPrivate: boolean; files: Map<string, Buffer>; branch?: string }
  >();
  readonly large = new Map<string, Buffer>();
  readonly requests: string[] = [];
  /** Requests that begin like this are answered with this status. */
  fails: { readonly request: string; readonly status: number } | undefined;
  private readonly server: Server;

  constructor(readonly token: string) {
    this.server = createServer((request, response) => {
      this.answer(request).then(
        ([status, content]) => {
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
        },
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
  }

  async listen(): Promise<string> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    return this.address;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private async answer(request: IncomingMessage): Promise<[number, unknown]> {
    const line = `${request.method} ${request.url}`;
    this.requests.push(line);
    const body = await buffer(request);
    if (this.fails !== undefined && line.startsWith(this.fails.request))
      return [this.fails.status, { error: 'The Hub is busy.' }];
    const [, oid] = /^PUT \/upload\/(\w+)$/.exec(line) ?? [];
    if (oid !== undefined) {
      if (createHash('sha256').update(body).digest('hex') !== oid) return [422, { error: 'wrong hash' }];
      this.large.set(oid, body);
      return [200, {}];
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) return [401, { error: 'Invalid token.' }];
    const json = (): Record<string, unknown> => JSON.parse(body.toString()) as Record<string, unknown>;
    if (line === 'POST /api/repos/create') {
      const { name, organization, visibility } = json();
      const id = `${String(organization)}/${String(name)}`;
      if (this.repositories.has(id)) return [409, { error: 'You already created this model repo' }];
      this.repositories.set(id, { isPrivate: visibility === 'private', files: new Map() });
      return [200, { url: `${this.address}/${id}`, id }];
    }
    if (/^POST \/api\/models\/me\/flags\/preupload\/\w+$/.test(line)) {
      const files = (json().files as { path: string }[]).map(({ path }) => ({
        path,
        uploadMode: path.endsWith('.safetensors') ? 'lfs' : 'regular',
      }));
      return [200, { files }];
    }
    if (line === 'POST /me/flags.git/info/lfs/objects/batch') {
      const objects = (json().objects as { oid: string; size: number }[]).map(({ oid, size }) => ({
        ...{ oid, size },
        ...(!this.large.has(oid) && { actions: { upload: { href: `${this.address}/upload/${oid}` } } }),
      }));
      return [200, { transfer: 'basic', objects }];
    }
    const [, branch] = /^POST \/api\/models\/me\/flags\/commit\/(\w+)$/.exec(line) ?? [];
    if (branch === undefined) return [404, { error: `Nothing is at ${line}` }];
    const repository = this.repositories.get('me/flags')!;
    repository.branch = branch;
    for (const each of body.toString().split('\n')) {
      const { key, value } = JSON.parse(each) as {
        key: string;
        value: { path: string; oid: string; content: string; encoding: BufferEncoding };
      };
      if (key === 'lfsFile') repository.files.set(value.path, this.large.get(value.oid)!);
      if (key === 'file') repository.files.set(value.path, Buffer.from(value.content, value.encoding));
    }
    return [200, { commitOid: 'c'.repeat(40), commitUrl: this.address }];
  }
}

const token = 'hf_onlyForTests';
let hub: Hub;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  hub = new Hub(token);
  env = {
    NO_COLOR: '1',
    HF_ENDPOINT: await hub.listen(),
    HF_TOKEN: token,
    HF_HOME: await temporaryFolder('hf'),
  };
});
afterEach(() => {
  hub.close();
});

const pipeline = (...args: string[]) => runCommand(args, env);

const model = fixturePath('reference_checkpoint.pt');

it('sends a model whole: weights, configuration and card in one commit', async () => {
  const made = await pipeline('publish', model, 'hf://me/flags', '--private');
  expect(made.stderr).toContain('me/flags: committing');
  expect(made).toMatchObject({
    exitCode: 0,
    stdout: `${env.HF_ENDPOINT}/me/flags/commit/${'c'.repeat(40)}\n`,
  });
  const { isPrivate, files, branch } = hub.repositories.get('me/flags')!;
  expect(isPrivate).toBe(true);
  expect(branch).toBe('main');
  expect([...files.keys()].sort()).toEqual(['README.md', 'config.json', 'model.safetensors']);
  const folder = join(await temporaryFolder('export'), 'folder');
  expect((await pipeline('export', model, folder, '--format', 'hub')).exitCode).toBe(0);
  for (const [name, content] of files)
    expect(content.toString().replaceAll('me/flags', 'OWNER/NAME'), name).toBe(
      await readFile(join(folder, name), 'utf8'),
    );
  const config = JSON.parse(files.get('config.json')!.toString()) as Record<string, unknown>;
  expect(config).toMatchObject({ model_type: 'sit', interpolant: 'linear', config: { mediators: [4] } });
  expect(files.get('README.md')!.toString()).toMatch(/^---\nlibrary_name: mediator-sit\n/);

  // The same again: what is large is there already.
  hub.requests.length = 0;
  expect((await pipeline('publish', model, 'me/flags@draft')).exitCode).toBe(0);
  expect(hub.requests.filter((line) => line.startsWith('PUT'))).toEqual([]);
  expect(hub.repositories.get('me/flags')!.branch).toBe('draft');
});

it('writes weights that the reference loads, and a card with pipeline, lock and figures', async () => {
  const folder = await temporaryFolder('hub');
  const source = await openModel(model, { weights: 'all' });
  const history = {
    stage: 'train',
    pipeline: { name: 'flags.yaml', text: 'name: flags\n' },
    lock: { name: 'flags.lock.yaml', text: 'format: 1\n' },
    figures: { train: { loss: 0.25, curve: [1, 2] }, evaluate: { fid: 12.5 } },
  };
  await writeHubFolder(source, folder, history, {
    tell: () => undefined,
    signal: new AbortController().signal,
  });
  expect((await readdir(folder)).sort()).toEqual([
    'README.md',
    'config.json',
    'flags.lock.yaml',
    'flags.yaml',
    'model.safetensors',
  ]);
  const card = await readFile(join(folder, 'README.md'), 'utf8');
  expect(card).toContain('| train | loss | 0.25 |\n| evaluate | fid | 12.5 |\n');
  expect(card).not.toContain('curve');
  expect(card).toContain('`flags.lock.yaml` has the configuration');
  expect(card).toContain('```yaml\nname: flags\n```');
  const { config } = source.description;
  const weights = await openSafetensors(join(folder, 'model.safetensors'));
  expect([...weights.tensors.keys()].sort()).toEqual([...referenceOrder(config)].sort());
  await weights.close();
  // What the card says to write is enough to read the same model.
  const stage = parse(/```yaml\n(uses: pretrained\n.*?)```/s.exec(card)![1]!) as Record<string, unknown>;
  expect(stage).toMatchObject({ uses: 'pretrained', path: 'hf://OWNER/NAME/model.safetensors' });
  const again = await openModel(join(folder, 'model.safetensors'), { ...stage, weights: 'all' });
  expect(again.description).toEqual({ ...source.description, steps: 0 });
  await again.close();
  await source.close();
});

it.each([
  ['POST /api/repos/create', 403, 'HF_TOKEN may write to it'],
  ['POST /me/flags.git', 500, 'nothing was committed'],
  ['PUT /upload', 500, 'nothing was committed'],
  ['POST /api/models/me/flags/commit', 412, 'nothing was committed'],
])('%s answered with %d: said so, nothing committed, no token shown', async (request, status, remedy) => {
  hub.fails = { request, status };
  const { exitCode, stdout, stderr } = await pipeline('publish', model, 'hf://me/flags');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('me/flags cannot be sent: ');
  expect(stderr).toContain(remedy);
  expect(stderr).not.toContain('Internal error');
  expect(stdout + stderr).not.toContain(token);
  expect(hub.repositories.get('me/flags')?.files.size ?? 0).toBe(0);
});

it('asks for a token, a repository and a network before it sends anything', async () => {
  env.HF_TOKEN = 'hf_another';
  expect((await pipeline('publish', model, 'hf://me/flags')).stderr).toContain('Invalid token');
  env.HF_TOKEN = '';
  const missing = await pipeline('publish', model, 'hf://me/flags');
  expect(missing.exitCode).toBe(1);
  expect(missing.stderr).toContain('was expected in HF_TOKEN');
  env.HF_TOKEN = token;
  env.HF_HUB_OFFLINE = '1';
  expect((await pipeline('publish', model, 'hf://me/flags')).stderr).toContain('HF_HUB_OFFLINE forbids it');
  delete env.HF_HUB_OFFLINE;
  const wrong = await pipeline('publish', model, './folder');
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain('expected a repository on the Hugging Face Hub');
  env.HF_ENDPOINT = 'http://127.0.0.1:1';
  expect((await pipeline('publish', model, 'hf://me/flags')).stderr).toContain('cannot be sent: ');
  expect(existsSync(join(process.cwd(), 'folder'))).toBe(false);
});
