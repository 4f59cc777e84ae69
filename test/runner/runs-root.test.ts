import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { lockPath } from '../../src/runner/lock/lock-file.js';
import { findRunsRoot } from '../../src/runner/runs-root.js';
import { temporaryFolder } from '../support/temporary-folder.js';

async function projectWith(files: readonly string[]): Promise<string> {
  const folder = await temporaryFolder('runs-root');
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), '{}');
  }
  return folder;
}

it('is in the project of the file, else beside it', async () => {
  const folder = await projectWith(['a/package.json', 'a/pipelines/x.yaml', 'b/x.yaml']);
  expect(findRunsRoot(join(folder, 'a/pipelines/x.yaml'), undefined, {})).toBe(join(folder, 'a/runs'));
  expect(findRunsRoot(join(folder, 'b/x.yaml'), undefined, {})).toBe(join(folder, 'b/runs'));
  expect(findRunsRoot('x.yaml', join(folder, 'c'), { PIPELINE_RUNS: folder })).toBe(join(folder, 'c'));
  expect(findRunsRoot('x.yaml', undefined, { PIPELINE_RUNS: folder })).toBe(folder);
});

it('is outside of installed packages, which npm replaces, as a lock is', async () => {
  const recipe = 'node_modules/mediator-sit/pipelines/x.yaml';
  const installed = [recipe, 'node_modules/mediator-sit/package.json'];
  const folder = await projectWith([
    'a/package.json',
    ...['a', 'b'].flatMap((each) => installed.map((file) => join(each, file))),
  ]);
  expect(findRunsRoot(join(folder, 'a', recipe), undefined, {})).toBe(join(folder, 'a/runs'));
  expect(findRunsRoot(join(folder, 'b', recipe), undefined, {})).toBe(join(process.cwd(), 'runs'));
  expect(lockPath(join(folder, 'a', recipe))).toBe(join(folder, 'a/x.lock.yaml'));
  expect(lockPath(join(folder, 'b', recipe))).toBe(join(process.cwd(), 'x.lock.yaml'));
  expect(lockPath(join(folder, 'a/pipelines/x.yaml'))).toBe(join(folder, 'a/pipelines/x.lock.yaml'));
});
