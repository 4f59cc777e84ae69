/**
 * Makes a clone ready, then does what was asked: `node tools/bootstrap.mjs quickstart | test | conformance | parity | bench | setup [arguments…]`.
 * Installs packages, compiles, and fetches the native library, each only where that is not already done.
 * Runs before anything is installed: only what Node itself brings may be imported.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inRoot = (...parts) => join(root, ...parts);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Ends the program with a message for its reader. */
class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Programs that run when all is ready, as arguments of Node; `setup` has nothing more to do. */
const programs = {
  setup: undefined,
  quickstart: [inRoot('dist', 'cli', 'bin.cjs'), 'run', join('pipelines', 'quickstart.yaml')],
  test: [inRoot('node_modules', 'vitest', 'vitest.mjs'), 'run'],
  conformance: ['--import', 'tsx', join('test', 'conformance', 'main.ts')],
  parity: ['--import', 'tsx', join('tools', 'parity', 'main.ts')],
  bench: ['--import', 'tsx', join('tools', 'bench', 'main.ts')],
};

async function main([name = '', ...args]) {
  if (!Object.hasOwn(programs, name)) {
    throw new Failure(`Usage: node tools/bootstrap.mjs ${Object.keys(programs).join(' | ')}`, 2);
  }
  try {
    await prepare(name === 'setup' ? args : ['--quiet']);
  } catch (error) {
    // Who reads the last line of a test run is told even when it could not begin.
    if (['test', 'conformance', 'parity'].includes(name) && error instanceof Failure)
      error.closing = '0 passed, 1 failed';
    throw error;
  }
  if (programs[name] !== undefined) await runNode([...programs[name], ...args]);
}

async function prepare(setupArguments) {
  checkNode();
  if (!isInstalled() || !isBuilt()) {
    await alone(async () => {
      if (!isInstalled()) await step('Installing packages', install);
      if (!isBuilt()) await step('Compiling', build);
    });
  }
  await runNode([inRoot('dist', 'tensorflow', 'install', 'main.js'), ...setupArguments]);
}

function checkNode() {
  const needed = readJson(inRoot('package.json')).engines.node.replace(/[^\d.]/g, '');
  const [major, minor] = needed.split('.').map(Number);
  const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number);
  if (ourMajor > major || (ourMajor === major && ourMinor >= minor)) return;
  throw new Failure(
    `This is Node ${process.versions.node}, at ${process.execPath}: expected ${needed} or newer.\n` +
      'Install a current release from https://nodejs.org, or with your version manager.',
  );
}

/** True when `node_modules` holds what package-lock.json says for this platform, however it came there. */
function isInstalled() {
  const record = inRoot('node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const wanted = readJson(inRoot('package-lock.json')).packages;
  const present = readJson(record).packages;
  return Object.entries(wanted).every(
    ([path, { version, link, ...entry }]) =>
      path === '' || link || present[path]?.version === version || (entry.optional && !suits(entry)),
  );
}

/**
 * True when an optional package is for this platform. One that names no processor belongs to another that may be left
 * out.
 */
function suits({ os, cpu, libc }) {
  const allows = (list, value) => list === undefined || list.includes(value);
  return (
    cpu?.includes(process.arch) === true && allows(os, process.platform) && (!libc || allows(libc, ourLibc()))
  );
}

function ourLibc() {
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** A slow network is waited for; one that is not there is given up after half a minute. */
const npmPatience = {
  npm_config_fetch_retries: '3',
  npm_config_fetch_retry_factor: '3',
  npm_config_fetch_retry_mintimeout: '2000',
  npm_config_fetch_timeout: '600000',
};
const waitsBeforeRetry = [3_000, 15_000];
const passing = /ECONNRESET|ETIMEDOUT|EIDLETIMEOUT|EPIPE|EINTEGRITY|ERR_SOCKET|E50\d|E429|socket hang up/;

async function install() {
  for (let attempt = 0; ; attempt++) {
    const { code, output } = await capture(
      npmCommand(),
      ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
      npmPatience,
    );
    if (code === 0) return;
    const excerpt = withoutStack(output).slice(0, 12).join('\n');
    const wait = waitsBeforeRetry[attempt];
    if (wait === undefined || !passing.test(output)) {
      throw new Failure(
        `npm could not install the packages of ${root}:\n${excerpt}\n` +
          'If the network failed, run this again: what was fetched is kept. A mirror is named with `npm config set registry ADDRESS`.',
      );
    }
    await sleep(wait);
  }
}

function withoutStack(output) {
  const lines = output.trim().split('\n');
  return lines.filter((line) => !/^npm error( {2,}|[ }{]*$| A complete log)/.test(line));
}

/** The npm that started this, if one did: it suits this Node. */
function npmCommand() {
  const own = process.env.npm_execpath;
  return own?.endsWith('npm-cli.js') && existsSync(own) ? [process.execPath, own] : ['npm'];
}

const stamp = inRoot('dist', '.sources.json');

/** True when `dist/` was made from the sources as they are now. */
function isBuilt() {
  return existsSync(stamp) && readJson(stamp).fingerprint === sources().fingerprint;
}

function sources() {
  const files = ['src', 'schemas']
    .flatMap((folder) => readdirSync(inRoot(folder), { recursive: true, withFileTypes: true }))
    .flatMap((entry) => (entry.isFile() ? relative(root, join(entry.parentPath, entry.name)) : []))
    .sort();
  const hash = createHash('sha256');
  for (const path of [...files, 'tools/bundle-playground.mjs', 'tsconfig.json', 'package-lock.json']) {
    const { size, mtimeMs } = statSync(inRoot(path));
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return { files, fingerprint: hash.digest('hex') };
}

async function build() {
  const now = sources();
  const before = existsSync(stamp) ? readJson(stamp).files : [];
  if (before.some((path) => !now.files.includes(path))) clean(inRoot('dist'));
  const tsc = inRoot('node_modules', 'typescript-native', 'bin', 'tsc');
  const pretty = process.stdout.isTTY ? ['--pretty'] : [];
  const { code, output } = await capture([process.execPath, tsc], ['-p', inRoot('tsconfig.json'), ...pretty]);
  if (code !== 0) throw new Failure(`The sources do not compile:\n${output.trim()}`);
  await finish(inRoot('tools', 'copy-assets.mjs'), 'The files beside the sources were not copied');
  await finish(inRoot('tools', 'bundle-playground.mjs'), 'The program of playground pages was not made');
  await finish(
    inRoot('dist', 'runner', 'schema', 'write-validator.js'),
    'The check of pipelines was not made',
  );
  const program = inRoot('dist', 'cli', 'bin.cjs');
  if (existsSync(program)) chmodSync(program, 0o755);
  writeFileSync(stamp, JSON.stringify(now));
}

/** Runs a further step of the build. */
async function finish(program, complaint) {
  const { code, output } = await capture([process.execPath, program], []);
  if (code !== 0) throw new Failure(`${complaint}:\n${output.trim()}`);
}

function clean(folder) {
  for (const name of readdirSync(folder)) {
    if (join(folder, name) !== lockFile) rmSync(join(folder, name), { recursive: true });
  }
}

const lockFile = inRoot('dist', '.bootstrap.lock');

/** Does the work while no other process prepares this clone. A lock whose holder died does not count. */
async function alone(work) {
  mkdirSync(dirname(lockFile), { recursive: true });
  for (let waits = 0; ; waits++) {
    try {
      writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (holderIsGone()) {
      rmSync(lockFile, { force: true });
      continue;
    }
    if (waits === 0) say('Another process prepares this folder: waiting for it.');
    await sleep(300);
  }
  try {
    await work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

function holderIsGone() {
  try {
    const holder = Number(readFileSync(lockFile, 'utf8'));
    // Between being made and being written to, the file is empty.
    if (holder === 0) return Date.now() - statSync(lockFile).mtimeMs > 2_000;
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return error.code !== 'EPERM';
  }
}

/** Does one step, telling that it goes on: on a terminal each second, elsewhere each half minute. */
async function step(title, work) {
  const start = Date.now();
  const { isTTY } = process.stdout;
  const seconds = () => `${Math.round((Date.now() - start) / 1000)} s`;
  const tell = () =>
    isTTY ? process.stdout.write(`\r${title}: ${seconds()}`) : say(`${title}: ${seconds()} so far`);
  if (isTTY) tell();
  const ticking = setInterval(tell, isTTY ? 1_000 : 30_000);
  try {
    await work();
    say(`${isTTY ? '\r' : ''}${title}: done in ${seconds()}`);
  } catch (error) {
    if (isTTY) say('');
    throw error;
  } finally {
    clearInterval(ticking);
  }
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

const children = new Set();
let interruptedBy;

/** Runs a program of ours on this terminal. Ends this program when that one fails, with its exit code. */
async function runNode(args) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const { code, signal } = await ended(child);
  if (code !== 0) throw new Failure('', code ?? 128 + constants.signals[signal]);
}

/** Runs a program and collects what it prints. */
async function capture([program, ...first], args, env = {}) {
  const child = spawn(program, [...first, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
  const { code } = await ended(child);
  if (interruptedBy) throw new Failure('Interrupted.', 128 + constants.signals[interruptedBy]);
  return { code, output: Buffer.concat(chunks).toString() };
}

function ended(child) {
  children.add(child);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(new Failure(`${child.spawnfile} could not be started: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      children.delete(child);
      resolve({ code, signal });
    });
  });
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interruptedBy = signal;
    // A terminal sends Ctrl-C to the children as well.
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    for (const child of children) child.kill(signal);
  });
}

// What cannot be printed, as the terminal is closed or nobody reads, is not printed: see src/base/outlive-output.ts.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
process.on('exit', () => {
  for (const descriptor of terminals) if (!isatty(descriptor)) closeSync(descriptor);
});

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  if (error.message) process.stderr.write(`${error.message}\n`);
  if (error.closing) say(error.closing);
  process.exitCode = error.exitCode;
}
