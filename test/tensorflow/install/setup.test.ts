import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { verifyLibrary } from '../../../src/tensorflow/install/install.js';
import { locateLibrary } from '../../../src/tensorflow/install/locate.js';
import { setupLibrary } from '../../../src/tensorflow/install/setup.js';
import { PackageIndex } from './support/package-index.js';
import { Sandbox } from './support/sandbox.js';
import { cpuWheel, libraries, nvidiaWheel, tinyRelease } from './support/tiny-release.js';
import { toldOfDamage } from '../../support/told-of-damage.js';

const half = cpuWheel.pin.bytes >> 1;
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

async function failure(work: Promise<unknown>): Promise<UserError> {
  const error: unknown = await work.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}

describe('over HTTPS, where there is no pip', () => {
  it.each(['json', 'html'] as const)('finds the wheel in an index that answers in %s', async (format) => {
    index.format = format;
    const options = sandbox.options({ PIP_INDEX_URL: index.url });
    const location = await setupLibrary(options);
    expect(location).toEqual(locateLibrary(options));
    expect(location).toMatchObject({ version: '0.0.1', build: 'cpu' });
    expect(readFileSync(location.cc).equals(libraries.cc)).toBe(true);
    expect(readFileSync(location.framework).equals(libraries.framework)).toBe(true);
    expect(await verifyLibrary(location)).toEqual([]);
  });

  it('keeps the libraries and nothing else', async () => {
    const location = await setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url }));
    const files = readdirSync(sandbox.cache, { recursive: true, withFileTypes: true });
    const names = files.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    expect(names.sort()).toEqual(
      [
        join(sandbox.cache, 'setup.lock'),
        join(location.directory, 'manifest.json'),
        location.cc,
        location.framework,
      ].sort(),
    );
  });

  it('asks for nothing when all is there', async () => {
    const options = sandbox.options({ PIP_INDEX_URL: index.url });
    const first = await setupLibrary(options);
    const asked = index.requests.length;
    expect(await setupLibrary(options)).toEqual(first);
    expect(index.requests.length).toBe(asked);
  });

  it('continues a download whose connection broke', async () => {
    let broken = false;
    index.misbehave = (_, response, body) => {
      if (broken) return false;
      broken = true;
      response.setHeader('content-length', body.length);
      response.write(body.subarray(0, half), () => response.destroy());
      return true;
    };
    const location = await setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url }));
    const ranges = index.requests.flatMap((request) => /bytes=(\d+)-/.exec(request)?.[1] ?? []);
    expect(ranges).toHaveLength(1);
    expect(Number(ranges[0])).toBeGreaterThan(0);
    expect(Number(ranges[0])).toBeLessThanOrEqual(half);
    expect(await verifyLibrary(location)).toEqual([]);
  });

  it('has a byte that changed in a library named, whatever the file’s size and times say', async () => {
    const location = await setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url }));
    const { atime, mtime } = statSync(location.cc);
    const bytes = readFileSync(location.cc);
    bytes[bytes.length >> 1]! ^= 1;
    chmodSync(location.cc, 0o644);
    writeFileSync(location.cc, bytes);
    utimesSync(location.cc, atime, mtime);
    expect(await verifyLibrary(location)).toEqual([location.cc]);
  });

  it('continues what an earlier, killed process had downloaded', async () => {
    const downloads = join(sandbox.cache, 'downloads');
    mkdirSync(downloads, { recursive: true });
    writeFileSync(join(downloads, `${cpuWheel.pin.filename}.partial`), cpuWheel.body.subarray(0, half));
    await setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url }));
    expect(index.requests).toContain(`/files/${cpuWheel.pin.filename} bytes=${half}-`);
  });

  it('starts again when the server knows no ranges', async () => {
    const downloads = join(sandbox.cache, 'downloads');
    mkdirSync(downloads, { recursive: true });
    writeFileSync(join(downloads, `${cpuWheel.pin.filename}.partial`), 'x'.repeat(half));
    index.misbehave = (_, response, body) => response.end(body) === response;
    const location = await setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url }));
    expect(await verifyLibrary(location)).toEqual([]);
  });

  it('repeats a request that the server could not answer just now', async () => {
    let times = 0;
    index.misbehave = (_, response) => times++ === 0 && response.writeHead(503).end() === response;
    await setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url }));
    expect(index.downloads(cpuWheel.pin)).toBe(2);
  });

  it('refuses a wheel with another content, and keeps nothing of it', async () => {
    const forged = Buffer.from(cpuWheel.body);
    forged[half]! ^= 1;
    index.misbehave = (_, response) => response.end(forged) === response;
    const error = await failure(setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url })));
    expect(error.code).toBe('tensorflow-download-failed');
    expect(error.message).toContain(`${index.url}: its ${cpuWheel.pin.filename} has another SHA-256`);
    expect(locateLibrary(sandbox.options())).toBeUndefined();
    expect(readdirSync(join(sandbox.cache, 'downloads'))).toEqual([]);
  });

  it('refuses a page that is served in place of the wheel, without repeating itself', async () => {
    index.misbehave = (_, response) => response.end('<html>Please log in</html>') === response;
    const error = await failure(setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url })));
    expect(error.message).toMatch(/it serves a file of 26 bytes in place of \d+/);
    expect(index.downloads(cpuWheel.pin)).toBe(1);
  });

  it('sends the credentials of the index, and does not show them', async () => {
    const seen: unknown[] = [];
    index.misbehave = (request, response) => {
      seen.push(request.headers.authorization);
      return response.writeHead(403).end() === response;
    };
    const address = index.url.replace('//', '//ann:s3cret@');
    const error = await failure(setupLibrary(sandbox.options({ PIP_INDEX_URL: address })));
    expect(seen).toEqual([`Basic ${Buffer.from('ann:s3cret').toString('base64')}`]);
    expect(error.message).not.toContain('s3cret');
    expect(error.message).toContain('answers 403');
  });
});

describe('without a network', () => {
  it('says what was tried and what to do', async () => {
    await index.stop();
    const error = await failure(setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url })));
    expect(error.code).toBe('tensorflow-download-failed');
    expect(error.message).toContain(join(sandbox.cache, 'downloads'));
    expect(error.message).toContain('python3 -m pip download: there is no python3 with pip');
    expect(error.message).toMatch(new RegExp(`${index.url}: connect ECONNREFUSED`));
    expect(error.remedy).toContain('PIPELINE_WHEELS=FOLDER npm run setup');
  });

  it('takes wheels from a folder, and leaves them there', async () => {
    const wheels = join(sandbox.folder, 'wheels');
    mkdirSync(wheels);
    writeFileSync(join(wheels, cpuWheel.pin.filename), cpuWheel.body);
    const options = sandbox.options({ PIPELINE_WHEELS: wheels, PIP_INDEX_URL: index.url });
    expect(await verifyLibrary(await setupLibrary(options))).toEqual([]);
    expect(index.requests).toEqual([]);
    expect(readdirSync(wheels)).toEqual([cpuWheel.pin.filename]);
  });
});

it('says where a cache is to go that cannot be made', async () => {
  writeFileSync(sandbox.cache, 'a file');
  const error = await failure(setupLibrary(sandbox.options({ PIP_INDEX_URL: index.url })));
  expect(error.code).toBe('not-a-folder');
  expect(error.message).toContain(sandbox.cache);
  expect(error.remedy).toContain('PIPELINE_CACHE');
});

it('refuses a disk that is too small before it downloads', async () => {
  const builds = tinyRelease.builds.map((build) => ({ ...build, unpackedBytes: 1e18 }));
  const options = sandbox.options({ PIP_INDEX_URL: index.url });
  const error = await failure(setupLibrary({ ...options, release: { ...tinyRelease, builds } }));
  expect(error.message).toMatch(/TensorFlow needs 1000000 TB there, and .* are free/);
  expect(error.remedy).toContain('PIPELINE_CACHE');
  expect(index.requests).toEqual([]);
});

describe('interrupted', () => {
  it('is not taken for whole, and goes on without downloading again', async () => {
    const interruption = new AbortController();
    const options = sandbox.options({ PIP_INDEX_URL: index.url });
    const work = setupLibrary({
      ...options,
      signal: interruption.signal,
      report: (event) => {
        if (event.type === 'progress' && event.label === 'unpacking' && event.done > 500_000) {
          interruption.abort();
        }
      },
    });
    await expect(work).rejects.toThrow('aborted');
    expect(locateLibrary(options)).toBeUndefined();
    expect(await verifyLibrary(await setupLibrary(options))).toEqual([]);
    expect(index.downloads(cpuWheel.pin)).toBe(1);
  });

  it('unpacks a wheel again where the record of that is damaged, which is said', async () => {
    const options = sandbox.options({ PIP_INDEX_URL: index.url, PIPELINE_DEVICE: 'gpu' });
    const [last] = index.wheels.splice(1);
    await failure(setupLibrary(options));
    index.wheels.push(last!);
    const names = readdirSync(sandbox.cache, { recursive: true, encoding: 'utf8' });
    const seal = join(
      sandbox.cache,
      names.find((name) => name.includes(cpuWheel.pin.sha256))!,
    );
    writeFileSync(seal, readFileSync(seal, 'utf8').replace('"bytes": ', '"bytes": 1'));
    const { result, told } = await toldOfDamage(() => setupLibrary(options));
    expect(told).toEqual([expect.stringContaining(`${seal} is damaged`)]);
    expect(await verifyLibrary(result)).toEqual([]);
  });

  it('keeps the wheels that were unpacked', async () => {
    const options = sandbox.options({ PIP_INDEX_URL: index.url, PIPELINE_DEVICE: 'gpu' });
    const [last] = index.wheels.splice(1);
    await failure(setupLibrary(options));
    expect(locateLibrary(options)).toBeUndefined();
    index.wheels.push(last!);
    const location = await setupLibrary(options);
    expect(location.build).toBe('cuda');
    expect(index.downloads(cpuWheel.pin)).toBe(1);
    const beside = (path: string) => readFileSync(join(location.cc, '../../nvidia', path));
    expect(beside('cublas/lib/libcublas.so.12').equals(libraries.cublas)).toBe(true);
    expect(beside('cuda_nvcc/bin/ptxas').equals(libraries.ptxas)).toBe(true);
    expect(existsSync(join(location.directory, 'nvidia/cublas/include'))).toBe(false);
  });
});

describe('damaged', () => {
  it('fetches a library again of which a file was cut short', async () => {
    const options = sandbox.options({ PIP_INDEX_URL: index.url });
    const { cc } = await setupLibrary(options);
    truncateSync(cc, 1000);
    expect(locateLibrary(options)).toBeUndefined();
    expect(await verifyLibrary(await setupLibrary(options))).toEqual([]);
  });

  it('finds other content of the same size when asked to verify', async () => {
    const options = sandbox.options({ PIP_INDEX_URL: index.url });
    const location = await setupLibrary(options);
    writeFileSync(location.framework, Buffer.alloc(libraries.framework.length));
    expect(await verifyLibrary(location)).toEqual([location.framework]);
    await setupLibrary({ ...options, verify: true });
    expect(readFileSync(location.framework).equals(libraries.framework)).toBe(true);
    expect(sandbox.steps).toContain(`damaged, to be fetched again: ${location.framework}`);
  });
});

it('downloads once when two processes set up at the same time', async () => {
  index.misbehave = (_, response, body) => {
    response.setHeader('content-length', body.length);
    response.write(body.subarray(0, half));
    setTimeout(() => response.end(body.subarray(half)), 1500);
    return true;
  };
  const program = fileURLToPath(new URL('support/set-up.ts', import.meta.url));
  const env = { ...sandbox.environment({ PIP_INDEX_URL: index.url }) };
  const run = () => execa(process.execPath, ['--import', 'tsx', program], { env, extendEnv: false });
  const outputs = (await Promise.all([run(), run()])).map(({ stdout }) => stdout.split('\n'));
  expect(outputs[0]!.at(-1)).toBe(outputs[1]!.at(-1));
  expect(outputs.flat().filter((line) => line.startsWith('waiting'))).toHaveLength(1);
  expect(index.downloads(cpuWheel.pin)).toBe(1);
  expect(await verifyLibrary(locateLibrary(sandbox.options())!)).toEqual([]);
});
