import { expect, it } from 'vitest';
import { checkMachine, type Machine } from '../../../src/tensorflow/install/platform.js';

const good: Machine = {
  platform: 'linux-x64',
  cpuinfo: 'model name\t: some\nflags\t\t: fpu sse4_2 avx f16c\n',
  glibc: '2.31',
};

it.each<[string, Partial<Machine>]>([
  ['a usual one', {}],
  ['the oldest C library', { glibc: '2.27' }],
  ['ARM, which has no AVX', { platform: 'linux-arm64', cpuinfo: 'Features\t: fp asimd\n' }],
  ['a Mac', { platform: 'darwin-arm64', cpuinfo: undefined, glibc: undefined }],
])('accepts %s', (_, machine) => {
  expect(() => {
    checkMachine({ ...good, ...machine });
  }).not.toThrow();
});

it.each<[string, Partial<Machine>, string]>([
  ['without AVX', { cpuinfo: 'flags\t: fpu sse4_2 xavx\n' }, 'cpu-without-avx'],
  ['with musl', { glibc: undefined }, 'c-library-unsupported'],
  ['with an old C library', { glibc: '2.17' }, 'c-library-unsupported'],
  ['with an old C library on ARM', { platform: 'linux-arm64', glibc: '2.26' }, 'c-library-unsupported'],
])('refuses a machine %s', (_, machine, code) => {
  expect(() => {
    checkMachine({ ...good, ...machine });
  }).toThrow(expect.objectContaining({ code }));
});
