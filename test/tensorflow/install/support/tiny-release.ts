import { createHash } from 'node:crypto';
import { requirePlatform } from '../../../../src/tensorflow/install/platform.js';
import type { Release, Wheel } from '../../../../src/tensorflow/install/release.js';
import { makeZip } from './make-zip.js';

/** Bytes that deflate cannot shorten, the same each time. */
function noise(length: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${seed} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}

/** What the libraries of the tiny release hold. */
export const libraries = {
  cc: noise(3_000_000, 'cc'),
  framework: noise(50_000, 'framework'),
  cublas: noise(20_000, 'cublas'),
  ptxas: noise(1_000, 'ptxas'),
};

function wheel(name: string, tags: string, content: Record<string, Uint8Array | string>) {
  const info = `${name.replaceAll('-', '_')}-0.0.1`;
  const body = makeZip({
    ...content,
    [`${info}.dist-info/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: 0.0.1\n`,
    [`${info}.dist-info/WHEEL`]: `Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: ${tags}\n`,
    [`${info}.dist-info/RECORD`]: '',
  });
  const pin: Wheel = {
    package: name,
    version: '0.0.1',
    filename: `${info}-${tags}.whl`,
    bytes: body.length,
    sha256: createHash('sha256').update(body).digest('hex'),
  };
  return { pin, body };
}

export const cpuWheel = wheel('tiny-tensorflow-cpu', 'cp311-cp311-manylinux_2_27_x86_64', {
  'tensorflow/__init__.py': 'raise SystemExit("Python must not run")',
  'tensorflow/libtensorflow_framework.so.2': libraries.framework,
  'tensorflow/libtensorflow_cc.so.2': libraries.cc,
  'tensorflow/python/_pywrap.so': noise(1_000, 'pywrap'),
});

export const nvidiaWheel = wheel('tiny-cublas', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64', {
  'nvidia/cublas/include/cublas.h': 'int main();',
  'nvidia/cublas/lib/libcublas.so.12': libraries.cublas,
  'nvidia/cuda_nvcc/bin/ptxas': libraries.ptxas,
});

const paths = {
  platform: requirePlatform(),
  cc: 'tensorflow/libtensorflow_cc.so.2',
  framework: 'tensorflow/libtensorflow_framework.so.2',
  unpackedBytes: 3_071_000,
};

/** A release as small as can be, so that everything that fetches and unpacks the real one runs on it. */
export const tinyRelease: Release = {
  version: '0.0.1',
  builds: [
    { ...paths, build: 'cpu', wheels: [cpuWheel.pin] },
    { ...paths, build: 'cuda', wheels: [cpuWheel.pin, nvidiaWheel.pin] },
  ],
};
