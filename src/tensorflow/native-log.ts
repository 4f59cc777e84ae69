import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeInterface } from '../native-interface.js';
import { cpuinfoText } from './library/processor.js';

/** Severities count from 0: information, warning, error, fatal. */
const severities = 'IWEF';
const stderr = 2;

/**
 * Runs `load`, which loads TensorFlow, without what TensorFlow writes to stderr meanwhile, errors excepted.
 * `TF_CPP_MIN_LOG_LEVEL`, where the user has set it, says how much to show instead, then and later.
 *
 * TensorFlow heeds that variable only once it is loaded; what it says before cannot be switched off, so stderr
 * is diverted to a file for that time, and the rest of the file is written to stderr afterwards.
 */
export function loadQuietly<T>(load: () => T): T {
  const level = Number((process.env.TF_CPP_MIN_LOG_LEVEL ??= String(severities.indexOf('E'))));
  if (!lacksInstructions()) return divertStderr(load, (text) => recordsOf(text, level));
  // TensorFlow will say what is missing and abort.
  return load();
}

/** Those records of a log that have at least the severity `level`. A record may go over several lines. */
export function recordsOf(log: string, level: number): string {
  let keep = true;
  const lines = log.split(/(?<=\n)/).filter((line) => {
    const severity = /^([IWEF])\d{4} /.exec(line)?.[1];
    if (severity !== undefined) keep = severities.indexOf(severity) >= level;
    // Comes before the first record, whatever its severity.
    else if (line.startsWith('WARNING: All log messages before absl::InitializeLog()')) return false;
    return keep;
  });
  return lines.join('');
}

function divertStderr<T>(use: () => T, filter: (text: string) => string): T {
  const libc = nativeInterface().load(process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6');
  const dup = libc.func('int dup(int)') as (descriptor: number) => number;
  const dup2 = libc.func('int dup2(int, int)') as (from: number, to: number) => number;
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), 'tensorflow-log-'));
  } catch {
    // Noise is better than not to start.
    return use();
  }
  const path = join(folder, 'stderr');
  const file = openSync(path, 'w');
  const original = dup(stderr);
  dup2(file, stderr);
  try {
    return use();
  } finally {
    dup2(original, stderr);
    closeSync(file);
    closeSync(original);
    const text = filter(readFileSync(path, 'utf8'));
    rmSync(folder, { recursive: true });
    if (text !== '') writeSync(stderr, text);
  }
}

/** Whether this processor cannot run TensorFlow's builds for x86-64, which use AVX. */
function lacksInstructions(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  const text = cpuinfoText();
  return text !== undefined && !/^flags\b.*\bavx\b/m.test(text);
}
