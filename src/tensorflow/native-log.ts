import { closeSync, mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileSync, readWholeTextSync } from '../base/files.js';
import { nativeInterface } from '../base/native-interface.js';
import { cpuinfoText } from './install/platform.js';

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
  process.env.TF_CPP_MIN_LOG_LEVEL ??= String(severities.indexOf('E'));
  const level = severityShown();
  if (!lacksInstructions()) return divertStderr(load, (text) => recordsOf(text, level));
  // TensorFlow will say what is missing and abort.
  return load();
}

function severityShown(): number {
  return Number(process.env.TF_CPP_MIN_LOG_LEVEL);
}

/** Selects the records of a log that have at least the severity `level`. A record may go over several lines. */
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

/** Functions of C++ in the framework's library: `absl::SetMinLogLevel(severity)`, and absl's own setter of the level of VLOG. */
const setters = {
  severity: 'void _ZN4absl12lts_2025081414SetMinLogLevelENS0_18LogSeverityAtLeastE(int)',
  detail: 'int _ZN4absl12lts_2025081412log_internal21UpdateGlobalVLogLevelEi(int)',
} as const;

/**
 * Runs `use` with all that TensorFlow logs meanwhile kept, at whatever level, and shows of it what the user's level lets
 * through. What TensorFlow misses for GPUs it tells as a warning, or in details that nobody sees.
 */
export function keepingLog<T>(framework: string, use: () => T): { readonly value: T; readonly log: string } {
  const level = severityShown();
  let log = '';
  const value = withLevels(framework, { severity: 0, detail: 1 }, () =>
    divertStderr(use, (text) => {
      log = text;
      return recordsOf(text, level);
    }),
  );
  return { value, log };
}

/** Runs `use` without what TensorFlow logs meanwhile, unless the user has asked for it. */
export function withoutLog<T>(framework: string, use: () => T): T {
  if (severityShown() !== severities.indexOf('E')) return use();
  return withLevels(framework, { severity: severities.indexOf('F'), detail: 0 }, use);
}

/**
 * Logs nothing more, unless the user has asked for it: errors come with statuses, and XLA logs one wherever it finds a
 * compiled program again, as it takes the file for text first.
 */
export function quietFromNowOn(framework: string): void {
  if (severityShown() !== severities.indexOf('E')) return;
  nativeInterface().load(framework).func(setters.severity)(severities.indexOf('F'));
}

function withLevels<T>(framework: string, levels: Record<keyof typeof setters, number>, use: () => T): T {
  const library = nativeInterface().load(framework);
  const set = ({ severity, detail }: typeof levels) => {
    library.func(setters.severity)(severity);
    library.func(setters.detail)(detail);
  };
  set(levels);
  try {
    return use();
  } finally {
    set({ severity: severityShown(), detail: Number(process.env.TF_CPP_MAX_VLOG_LEVEL ?? 0) });
  }
}

/** Finds in a log of registering devices what is missing. */
export function reasonsIn(log: string): readonly string[] {
  const records = log.split(/^(?=[IWEF]\d{4} )/m);
  const reasons = records.flatMap((record) => {
    const [, severity, file, text] =
      /^([IWEF])\d{4} \S+ +\S+ (\w+)\.cc:\d+\] ([^;]*)/.exec(record.replace(/\s+/g, ' ')) ?? [];
    if (text === undefined) return [];
    const tells = severity === 'I' ? text.startsWith('Could not load') : /cuda|gpu/.test(file!);
    return tells ? [text.split('. Please')[0]!.trim()] : [];
  });
  return [...new Set(reasons)];
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
  const file = openFileSync(path, 'w');
  const original = dup(stderr);
  dup2(file, stderr);
  try {
    return use();
  } finally {
    dup2(original, stderr);
    closeSync(file);
    closeSync(original);
    const text = filter(readWholeTextSync(path));
    rmSync(folder, { recursive: true });
    if (text !== '') writeSync(stderr, text);
  }
}

/** Output of C libraries to stderr, kept in a buffer for a while. */
interface BufferedStderr {
  hold(): void;
  /** Takes what waits in the buffer. */
  take(): string;
  release(): void;
}

const heldBytes = 2 ** 16;
let buffered: BufferedStderr | undefined;
let holders = 0;

/**
 * Keeps libjpeg from writing to stderr, until the function that this returns has been called as often as this: we tell
 * ourselves of damaged files. Anything else that C libraries write meanwhile is shown a moment later. Nothing is kept back
 * where the user has asked for TensorFlow's log.
 */
export function muteLibjpeg(): () => void {
  // Other systems' libraries have no such functions.
  if (process.platform !== 'linux' || severityShown() !== severities.indexOf('E')) return () => undefined;
  const stream = (buffered ??= bufferedStderr());
  if (holders++ === 0) stream.hold();
  return () => {
    const text = stream.take();
    if (--holders === 0) stream.release();
    const rest = withoutLibjpeg(text);
    if (rest !== '') writeSync(stderr, rest);
  };
}

function bufferedStderr(): BufferedStderr {
  const native = nativeInterface();
  const libc = native.load('libc.so.6');
  const stream = native.decode(libc.symbol('stderr'), 'void*') as bigint;
  const setBuffer = libc.func('int setvbuf(void*, void*, int, size_t)');
  const seek = libc.func('int fseek(void*, long, int)');
  const pending = libc.func('size_t __fpending(void*)');
  const purge = libc.func('void __fpurge(void*)');
  const memory = Buffer.from(new ArrayBuffer(heldBytes));
  const [fully, not, fromHere] = [0, 2, 1];
  return {
    hold: () => {
      setBuffer(stream, memory, fully, heldBytes);
      // Going nowhere, a stream that has been written to takes to its new buffer; that a terminal cannot is no matter.
      seek(stream, 0, fromHere);
    },
    take: () => {
      const length = Number(pending(stream));
      if (length === 0) return '';
      const text = memory.toString('utf8', 0, length);
      purge(stream);
      return text;
    },
    release: () => void setBuffer(stream, null, not, 0),
  };
}

/** Beginnings of what libjpeg says as it decodes, and TensorFlow of it. */
const libjpegMessages =
  /^(Application transferred|Arithmetic table|Bogus|CCIR601|Caution: quantization|Component index|Corrupt JPEG|DCT|Didn't expect|Empty (input|JPEG)|Failed to create|Huffman table|IDCT output|Image too wide|Improper call|Inconsistent progression|Insufficient memory|Invalid|Maximum supported image|Missing Huffman|Not a JPEG|Premature end of (JPEG|input)|Quantization table|Requested feature|Sampling factors|Suspension not|Too many color|Unknown Adobe|Unsupported|Warning: unknown JFIF|E\d{4} .* jpeg_mem\.cc:)/;

/** Selects the lines of a text that are not libjpeg's. */
export function withoutLibjpeg(text: string): string {
  return text
    .split(/(?<=\n)/)
    .filter((line) => !libjpegMessages.test(line))
    .join('');
}

/** True when this processor cannot run TensorFlow's builds for x86-64, which use AVX. */
function lacksInstructions(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  const text = cpuinfoText();
  return text !== undefined && !/^flags\b.*\bavx\b/m.test(text);
}
