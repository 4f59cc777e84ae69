import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { ESLint } from 'eslint';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UserError } from '../../src/base/errors.js';
import { hashFile } from '../../src/base/file-hash.js';
import { isLocked, tryLock } from '../../src/base/file-lock.js';
import {
  appendPlain,
  asUserError,
  openFile,
  readWhole,
  readWholeTextSync,
  sha256OfFile,
  writePlain,
  writePlainSync,
} from '../../src/base/files.js';
import { HttpClient } from '../../src/base/http.js';
import { InputFile, inputLines, readInput } from '../../src/base/input-file.js';
import { refuseForeign } from '../../src/formats/foreign-file.js';
import { openTorchCheckpoint } from '../../src/formats/pytorch/read.js';
import { InputReader } from '../../src/runner/plan/read-inputs.js';
import { temporaryFolder } from '../support/temporary-folder.js';

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('Nothing went wrong.');
}

it.each<[code: string, cause: (folder: string) => unknown]>([
  ['file-missing', (folder) => readFileSync(join(folder, 'none'))],
  ['not-a-folder', (folder) => readFileSync(join(folder, 'file', 'x'))],
  ['not-a-folder', (folder) => mkdirSync(join(folder, 'file', 'x', 'y'), { recursive: true })],
  ['not-a-folder', (folder) => mkdirSync(join(folder, 'file'), { recursive: true })],
  ['not-a-file', (folder) => readFileSync(folder)],
  ['link-loop', (folder) => readFileSync(join(folder, 'loop'))],
  ['name-too-long', (folder) => readFileSync(join(folder, 'n'.repeat(300)))],
  ['name-too-long', (folder) => mkdirSync(join(folder, 'n'.repeat(300), 'x'), { recursive: true })],
  [
    'in-the-way',
    (folder) => {
      renameSync(join(folder, 'a'), join(folder, 'b'));
    },
  ],
  [
    'disk-full',
    () => {
      writeFull();
    },
  ],
])('%s is said of a real error', async (code, cause) => {
  const folder = await temporaryFolder('errors');
  writeFileSync(join(folder, 'file'), '');
  symlinkSync('loop', join(folder, 'loop'));
  for (const name of ['a', 'b']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'b', 'x'), '');
  const error = asUserError(
    errorOf(() => cause(folder)),
    'the path',
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(/^the path: .*[^.]\.$/) as string });
  expect((error as UserError).remedy).toMatch(/\.$/);
});

const inFolder = (name: string) => async (): Promise<string> => {
  const path = join(await temporaryFolder('no-file'), name);
  if (name === 'pipe') execFileSync('mkfifo', [path]);
  else {
    const server = createServer().listen(path);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
  }
  return path;
};

describe.each<[what: string, path: () => Promise<string>]>([
  ['a pipe', inFolder('pipe')],
  ['a socket', inFolder('socket')],
  ['a device', () => Promise.resolve('/dev/zero')],
])('%s in the place of a file is refused at once', (what, pathOf) => {
  it.each<[string, (path: string) => unknown]>([
    ['whole', readWhole],
    ['at once', readWholeTextSync],
    ['as an input', readInput],
    ['line by line', async (path) => (await inputLines(path).next()).value],
    ['in parts', (path) => InputFile.open(path)],
    ['to be hashed', hashFile],
    ['by its hash', (path) => sha256OfFile(path)],
    ['as a lock', tryLock],
    ['as a lock of others', isLocked],
    ['as weights', refuseForeign],
    ['as a checkpoint', openTorchCheckpoint],
    ['as an input of a stage', (path) => new InputReader(dirname(path), {}).read('stage', path)],
    ['to be written', (path) => writePlain(path, 'x')],
    ['to be appended to', (path) => appendPlain(path, 'x')],
    [
      'to be appended to at once',
      (path) => {
        writePlainSync(path, 'x', 'a');
      },
    ],
    ['to be changed', (path) => openFile(path, 'r+')],
  ])('when it is opened %s', async (_, read) => {
    const path = await pathOf();
    const error: unknown = await Promise.resolve()
      .then(() => read(path))
      .then(
        () => 'it was read',
        (problem: unknown) => asUserError(problem, path),
      );
    expect(error).toMatchObject({
      code: 'not-a-file',
      message: expect.stringMatching(`^${path}: expected a file, found ${what}`) as string,
    });
  });
});

it('certificates that are a pipe are not waited for', async () => {
  await new HttpClient({}, [await inFolder('pipe')()]).close();
});

it('lint fails on what opens a file by its path, but in the module that does so', async () => {
  const root = join(import.meta.dirname, '../..');
  const eslint = new ESLint({
    cwd: root,
    overrideConfig: { languageOptions: { parserOptions: { project: false } } },
    ruleFilter: ({ ruleId }) => ruleId === 'no-restricted-imports',
  });
  const program = (name: string, module: string) => `import { ${name} } from '${module}';\n${name}('x');\n`;
  const complaints = async (text: string, filePath: string) =>
    (await eslint.lintText(text, { filePath: join(root, filePath) }))[0]!.messages.length;
  for (const name of ['openSync', 'readFileSync', 'appendFileSync', 'createReadStream', 'promises'])
    expect(await complaints(program(name, 'node:fs'), 'src/base/http.ts'), name).toBe(1);
  for (const name of ['open', 'readFile', 'writeFile', 'appendFile'])
    expect(await complaints(program(name, 'node:fs/promises'), 'src/base/http.ts'), name).toBe(1);
  expect(await complaints(`import * as fs from 'node:fs';\nfs.closeSync(1);\n`, 'src/base/http.ts')).toBe(1);
  expect(await complaints(program('stat', 'node:fs/promises'), 'src/base/http.ts')).toBe(0);
  expect(await complaints(program('open', 'node:fs/promises'), 'src/base/files.ts')).toBe(0);
});

function writeFull(): void {
  const full = openSync('/dev/full', 'w');
  try {
    writeSync(full, 'x');
  } finally {
    closeSync(full);
  }
}

it('every error that the system may give of a file is for a person, and none of networks is', () => {
  for (const [errno, [name]] of getSystemErrorMap()) {
    const error = Object.assign(new Error(`${name}: told`), { code: name, errno, syscall: 'read' });
    expect(asUserError(error, 'x'), name).toBeInstanceOf(UserError);
  }
  const refused = Object.assign(new Error('connect ECONNREFUSED'), {
    code: 'ECONNREFUSED',
    errno: -111,
    syscall: 'connect',
  });
  expect(asUserError(refused, 'x')).toBe(refused);
  const ours = new TypeError('undefined is not a function');
  expect(asUserError(ours, 'x')).toBe(ours);
});
