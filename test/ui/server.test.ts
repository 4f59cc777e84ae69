import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { tryLock } from '../../src/base/file-lock.js';
import { outputPlace } from '../../src/runner/store/manifest.js';
import { stageRecord, writeRun } from '../runner/runs/synthetic-runs.js';
import { png } from '../stages/report/outputs.js';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { nodeProgram } from '../support/programs.js';
import { describeUnless } from '../support/unless.js';
import { accessibilityProblems } from './accessibility.js';
import { writeWholeRun } from './whole-run.js';

const main = 'src/cli/main.ts';
const toyMain = 'test/cli/toy-main.ts';

let folder: string;
let server: Started;
let address: URL;
let cookie: string;

const start = (program: string, args: readonly string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [...nodeProgram(program), ...args], {
    cwd: folder,
    reject: false,
    env: { PIPELINE_RUNS: join(folder, 'runs'), NO_COLOR: '1', CI: '1', ...env },
  });

type Started = ReturnType<typeof start>;

/** Starts `pipeline ui`; gives the process and the address that it printed. */
async function startServer(...args: string[]): Promise<{ process: Started; address: URL }> {
  const process = start(main, ['ui', ...args]);
  let text = '';
  for await (const chunk of process.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const found = /http:\S+/.exec(text);
    if (found && text.includes('Ctrl-C')) return { process, address: new URL(found[0]) };
  }
  throw new Error(`The server ended: ${text}`);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Asks without any help: the path goes as it is, dots and all. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { host: '127.0.0.1', port: address.port, path, method, headers: { cookie, ...headers } },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'ui ü ')));
  await writeWholeRun(join(folder, 'runs'), new Date('2026-03-01T10:00:00Z'));
  await writeWholeRun(join(folder, 'runs'), new Date('2026-03-01T12:00:00Z'), { learningRate: 1e-3 });
  ({ process: server, address } = await startServer());
  cookie = '';
});
afterAll(async () => {
  server.kill('SIGINT');
  const { exitCode } = await server;
  await rm(folder, { recursive: true, force: true });
  // Ctrl-C is how a server is meant to end.
  expect(exitCode).toBe(0);
});

describe('pipeline ui over HTTP', () => {
  it('lets nobody in without the printed address, and gives a cookie to who has it', async () => {
    expect(address.hostname).toBe('127.0.0.1');
    expect(address.searchParams.get('token')).toMatch(/^[\w-]{43}$/);
    for (const path of ['/', '/runs/whole/2026-03-01T10-00-00.000Z', '/events', '/?token=wrong', '/?token='])
      expect((await ask(path)).status, path).toBe(401);
    const { status, headers } = await ask(`${address.pathname}${address.search}`);
    expect([status, headers.location]).toEqual([303, '/']);
    const [given] = headers['set-cookie']!;
    expect(given).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/);
    cookie = given!.split(';')[0]!;
    const page = await ask('/');
    expect([page.status, page.headers['cache-control'], page.headers['referrer-policy']]).toEqual([
      200,
      'no-store',
      'no-referrer',
    ]);
    expect(page.body).not.toContain(address.searchParams.get('token')!);
    expect((await ask('/', { cookie: `${cookie.slice(0, -1)}!` })).status).toBe(401);
  });

  it('answers to its own name only', async () => {
    expect((await ask('/', { host: 'evil.example' })).status).toBe(421);
    expect((await ask('/', { host: `evil.example:${address.port}` })).status).toBe(421);
    expect((await ask('/', { host: `localhost:${address.port}` })).status).toBe(200);
  });

  it("refuses what another site's page asks for", async () => {
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${Number(address.port) + 1}`, ''])
      expect((await ask('/', { origin })).status, origin).toBe(403);
    for (const origin of [address.origin, `http://localhost:${address.port}`])
      expect((await ask('/', { origin })).status, origin).toBe(200);
  });

  it('opens the browser without its token in the list of processes', async () => {
    const programs = await mkdtemp(join(tmpdir(), 'programs-'));
    const seen = join(programs, 'seen');
    const opener = `#!/bin/sh\nstat -c '%a' "$1" "$(dirname "$1")" > '${seen}'\ncat "$1" >> '${seen}'\necho "$@" > '${seen}.args'\n`;
    await writeFile(join(programs, 'xdg-open'), opener, { mode: 0o755 });
    const second = start(main, ['ui', '--open', '--port', '0'], { PATH: `${programs}:${process.env.PATH!}` });
    let text = '';
    second.stdout.on('data', (part: Buffer) => (text += String(part)));
    await vi.waitFor(
      () => {
        expect(existsSync(`${seen}.args`)).toBe(true);
      },
      { timeout: 30_000 },
    );
    const page = (await readFile(`${seen}.args`, 'utf8')).trim();
    const [token] = /[\w-]{43}/.exec(text)!;
    expect(page).not.toContain(token);
    const content = await readFile(seen, 'utf8');
    expect(content).toMatch(/^600\n700\n/);
    expect(content).toContain(`url=http://127.0.0.1:`);
    expect(content).toContain(token);
    second.kill('SIGINT');
    expect((await second).exitCode).toBe(0);
    expect(existsSync(page)).toBe(false);
    await rm(programs, { recursive: true });
  });

  it('only reads', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect((await ask('/', {}, method)).status, method).toBe(405);
    const head = await ask('/', {}, 'HEAD');
    expect([head.status, head.body]).toEqual([200, '']);
  });

  it.each([
    '/runs/../../../../etc/passwd',
    '/runs/whole/..%2f..%2f..%2fetc%2fpasswd',
    '/runs/store/train',
    '/runs/whole/latest',
    '/runs/whole/%E0%A4%A',
    '/runs/whole/2026-03-01T10-00-00.000Z/run.json',
    '/sweeps/toy',
    '/sweeps/..%2f..%2fetc',
    '/sweeps/%E0%A4%A',
    '/?page=0',
    '/?page=../..',
    '/compare?run=whole/2026-03-01T10-00-00.000Z&run=../../etc',
    '/events?page=//evil.example/',
    '/events?page=http://evil.example/',
    '//evil.example/',
  ])('leads nowhere: %s', async (path) => {
    expect((await ask(path)).status).toBe(404);
  });

  it('shows the run, and both compared', async () => {
    const run = await ask('/runs/whole/2026-03-01T10-00-00.000Z');
    expect([run.status, /<h1>(.*)<\/h1>/.exec(run.body)?.[1]]).toEqual([200, 'whole']);
    const both = ['10', '12'].map((hour) => `run=whole%2F2026-03-01T${hour}-00-00.000Z`).join('&');
    expect((await ask(`/compare?${both}`)).body).toContain('2 runs compared');
  });

  it('compares the latest of more runs than can be told apart, and says so', async () => {
    const folders = Array.from({ length: 11 }, (_, i) => `2026-02-${String(i + 10)}T10-00-00.000Z`);
    const whole = join(folder, 'runs', 'whole');
    for (const name of folders)
      await cp(join(whole, '2026-03-01T10-00-00.000Z'), join(whole, name), { recursive: true });
    const chosen = [...folders, '2026-03-01T10-00-00.000Z', '2026-03-01T12-00-00.000Z'];
    const { body } = await ask(`/compare?${chosen.map((name) => `run=whole%2F${name}`).join('&')}`);
    for (const name of folders) await rm(join(whole, name), { recursive: true });
    expect(body).toContain('12 runs compared');
    expect(body).toContain('Of the 13 runs that were chosen, the latest 12 are compared');
    expect(body).toContain('2026-03-01T12-00-00.000Z');
  });

  it('says to whoever ticked one run or none what to do, and offers the run before it', async () => {
    const [none, first, second] = await Promise.all(
      ['', '?run=whole%2F2026-03-01T10-00-00.000Z', '?run=whole%2F2026-03-01T12-00-00.000Z'].map((query) =>
        ask(`/compare${query}`),
      ),
    );
    expect([none!.status, first!.status, second!.status]).toEqual([200, 200, 200]);
    expect(none!.body).toContain('No run was ticked');
    expect(first!.body).toContain('Only one run was ticked');
    expect(first!.body).not.toContain('with the run before it');
    const [, link] = /<a href="(\/compare[^"]*)"/.exec(second!.body) ?? [];
    expect((await ask(link!.replaceAll('&amp;', '&'))).body).toContain('2 runs compared');
  });

  it('shows the sweep of a pipeline that has one', async () => {
    expect((await ask('/')).body).not.toContain('Sweep of');
    const trial = { trial: 'one', status: 'cached', values: { seed: 1 }, metrics: {}, seconds: 1, pages: [] };
    await mkdir(join(folder, 'runs', 'whole', 'sweep'));
    await writeFile(
      join(folder, 'runs', 'whole', 'sweep', 'sweep.json'),
      JSON.stringify({
        ...{ format: 1, pipeline: 'whole', file: '../../../whole.yaml', keys: ['seed'] },
        trials: [{ ...trial, run: '../2026-03-01T10-00-00.000Z' }],
      }),
    );
    expect((await ask('/')).body).toContain('<a href="/sweeps/whole">Sweep of whole</a>');
    const { status, body } = await ask('/sweeps/whole');
    expect(status).toBe(200);
    expect(body).toContain('href="/runs/whole/2026-03-01T10-00-00.000Z"');
  });

  it('takes the next free port where one is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    const second = await startServer('--port', String(port));
    expect(Number(second.address.port)).toBeGreaterThan(port);
    second.process.kill('SIGTERM');
    expect((await second.process).exitCode).toBe(0);
    holder.close();
  });
});

describeUnless(whyNoBrowser, 'pipeline ui in a browser', () => {
  it('follows a run that another terminal started, and compares runs', async () => {
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, 'data', 'a.png'), 'a');
    await writeFile(
      join(folder, 'toy.yaml'),
      `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: 400 }
`,
    );
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    const context = await browser.newContext({ bypassCSP: false });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(address.href);
    expect(page.url()).toBe(`${address.origin}/`);
    await page.getByRole('status').getByText('Live').waitFor();
    await page.getByLabel(/Compare whole.*T10/).check();

    const running = start(toyMain, ['run', 'toy.yaml'], { TOY_STEP_MS: '25' });
    const row = page.locator('.runs tbody tr', { hasText: 'toy' });
    await row.locator('.at-state').getByText('running').waitFor();
    await row.getByText(/autoencoder .* [1-9]\d* %/s).waitFor();
    expect(await page.getByLabel(/Compare whole.*T10/).isChecked()).toBe(true);
    await row.getByRole('link').click();
    await page.locator('.graph .state.running', { hasText: /running \d+ %/ }).waitFor();
    await page.locator('.graph .state.finished').nth(1).waitFor();
    expect((await running).exitCode).toBe(0);
    await page.locator('.kind .state.finished').waitFor();

    await page.getByRole('link', { name: 'All runs' }).click();
    await page.getByLabel(/Compare whole.*T10/).check();
    await page.getByLabel(/Compare whole.*T12/).check();
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.getByRole('heading', { name: '2 runs compared' }).waitFor();
    await page.getByRole('link', { name: '2026-03-01T12-00-00' }).click();
    await page.getByRole('heading', { name: 'whole' }).waitFor();
    expect(complaints).toEqual([]);
    await browser.close();
  });

  it('shows the pictures of a training as they are drawn, and leaves an earlier one that is looked at', async () => {
    const runs = join(folder, 'runs');
    const fingerprint = 'cd'.repeat(32);
    const directory = await writeRun(runs, 'drawing', new Date(), {
      status: 'running',
      stages: { train: stageRecord({ kind: 'train', status: 'running', fingerprint }) },
    });
    // A run holds its lock for as long as it lives.
    const lock = tryLock(join(directory, 'run.lock'))!;
    const samples = join(outputPlace(runs, 'train', fingerprint).partial, 'samples');
    await mkdir(samples, { recursive: true });
    const grids: { readonly step: number; readonly file: string }[] = [];
    const draw = async (step: number) => {
      grids.push({ step, file: `${step}.png` });
      await writeFile(join(samples, `${step}.png`), await png(8, 8, `hsl(${step},60%,50%)`));
      await writeFile(join(samples, 'index.json'), JSON.stringify({ grids }));
    };
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    const page = await browser.newPage();
    await page.goto(address.href);
    await page.getByRole('link', { name: 'drawing' }).click();
    await page.getByRole('status').getByText('Live').waitFor();
    const shown = () => page.locator('#progression-train img:visible').getAttribute('alt');
    await draw(100);
    await expect.poll(shown, { timeout: 20_000 }).toBe('Grid of samples at step 100');
    await draw(200);
    await expect.poll(shown, { timeout: 20_000 }).toBe('Grid of samples at step 200');
    const slider = page.getByRole('slider', { name: 'Step', exact: true });
    await slider.focus();
    await page.keyboard.press('Home');
    expect(await shown()).toBe('Grid of samples at step 100');
    await slider.blur();
    await draw(300);
    await expect.poll(() => slider.getAttribute('max'), { timeout: 20_000 }).toBe('2');
    expect(await shown()).toBe('Grid of samples at step 100');
    await browser.close();
    lock.release();
    await rm(directory, { recursive: true });
  }, 60_000);

  it.each([
    [1280, 'light'],
    [390, 'dark'],
  ] as const)('lists runs at %d px, %s, for everyone', async (width, colorScheme) => {
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    const context = await browser.newContext({
      viewport: { width, height: 900 },
      colorScheme,
      bypassCSP: true,
    });
    const page = await context.newPage();
    await page.goto(address.href);
    await page.getByRole('status').getByText('Live').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    // State, time and figures are in sight, and what the run was started with.
    const row = page.locator('.runs tbody tr', { hasText: '2026-03-01T12-00-00' });
    const figures = row.locator('td').last();
    const { x, width: own } = (await figures.boundingBox())!;
    expect(x + own).toBeLessThanOrEqual(width);
    expect((await figures.innerText()).replace(/\s+/g, ' ')).toBe(
      `${width < 700 ? 'finished · 1 min 30 s ' : ''}FID 12.35 · Inception score 45.6 · precision 0.71`,
    );
    expect(await row.innerText()).toContain('learningRate 0.001');
    expect(await accessibilityProblems(page)).toEqual([]);
    await browser.close();
  });
});
