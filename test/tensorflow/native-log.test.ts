import { execFile } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { promisify } from 'node:util';
import { recordsOf } from '../../src/tensorflow/native-log.js';

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
