import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { reasonsIn, recordsOf, withoutLibjpeg } from '../../src/tensorflow/native-log.js';

const preamble = 'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n';
const information = 'I0000 00:00:1795480027.319639   26565 port.cc:153] oneDNN is on.\nIt goes on here.\n';
const warning = 'W0000 00:00:1795480027.319639   26565 a.cc:1] Odd.\n';
const error = 'E0000 00:00:1795480027.319639   26565 b.cc:2] Bad:\nvery.\n';

describe('records of a log', () => {
  test.each([
    [0, information + warning + error],
    [1, warning + error],
    [2, error],
    [3, ''],
  ])('of severity %i and above', (level, expected) => {
    expect(recordsOf(preamble + information + warning + error, level)).toBe(expected);
  });

  test('keep what has no severity before the first record', () => {
    expect(recordsOf(`libcuda.so: cannot open\n${information}`, 2)).toBe('libcuda.so: cannot open\n');
  });
});

test('lines of libjpeg are told from others', () => {
  const own = [
    'Corrupt JPEG data: bad Huffman code\n',
    'Premature end of JPEG file\n',
    'Unsupported marker type 0x5a\n',
  ];
  const rest = [error, 'terminate called without an active exception'];
  expect(withoutLibjpeg([own[0], rest[0], own[1], own[2], rest[1]].join(''))).toBe(rest.join(''));
});

test('loading TensorFlow and computing write nothing to stderr, and stderr is back afterwards', async () => {
  const script = `
    import { nativeBackend, tf } from './src/tensorflow/index.ts';
    nativeBackend();
    console.log(String(tf.ones([2]).add(1).dataSync()));
    console.error('still here');`;
  const env = { ...process.env };
  delete env.TF_CPP_MIN_LOG_LEVEL;
  const run = promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { env },
  );
  expect(await run).toEqual({ stdout: '2,2\n', stderr: 'still here\n' });
});

test('what TensorFlow misses for GPUs is found in its log, warnings and details alike', () => {
  const log = [
    'I0000 00:00:1795915511.153611   12036 dso_loader.cc:133] Successfully opened dynamic library libcudnn.so.9\n',
    "I0000 00:00:1795915511.153611   12036 dso_loader.cc:144] Could not load dynamic library 'libcusolver.so.11'; dlerror: no such file; LD_LIBRARY_PATH: /a\n",
    'W0000 00:00:1795915511.153611   12036 gpu_device.cc:2365] Cannot dlopen some GPU libraries. Please make sure.\nSkipping registering GPU devices...\n',
    'W0000 00:00:1795915511.153611   12036 cpu_feature.cc:1] Slow.\n',
    'E0000 00:00:1795915511.153611   12036 cuda_platform.cc:52] failed call to cuInit: INTERNAL: NO_DEVICE\n',
  ].join('');
  expect(reasonsIn(preamble + log)).toEqual([
    "Could not load dynamic library 'libcusolver.so.11'",
    'Cannot dlopen some GPU libraries',
    'failed call to cuInit: INTERNAL: NO_DEVICE',
  ]);
});
