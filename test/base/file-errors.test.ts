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
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { expect, it } from 'vitest';
import { UserError } from '../../src/base/errors.js';
import { asUserError } from '../../src/base/files.js';
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
