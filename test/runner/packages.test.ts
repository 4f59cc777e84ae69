import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadPipeline } from '../../src/stages/load.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { pipelineText } from './pipelines.js';

it('finds a package of npm as Node does, and names the one that is missing', async () => {
  const project = await temporaryFolder('packages');
  const recipes = join(project, 'node_modules', 'ours', 'pipelines');
  await mkdir(recipes, { recursive: true });
  const file = join(recipes, 'p.yaml');
  await writeFile(
    file,
    pipelineText({ images: '{ uses: images, path: ../node_modules/drawings/img/64, size: 32 }' }),
  );
  const load = async () => {
    const loaded = await loadPipeline(file, {});
    if (!loaded.ok) throw new Error(loaded.diagnostics[0]!.message);
    return {
      path: (loaded.pipeline.stages.get('images')!.config as { path: string }).path,
      missing: loaded.missing(),
    };
  };
  const before = await load();
  expect(before.path).toBe('../node_modules/drawings/img/64');
  expect(before.missing).toMatchObject([{ remedy: 'It is in a package of npm: npm install drawings' }]);
  await mkdir(join(project, 'node_modules', 'drawings', 'img', '64'), { recursive: true });
  expect(await load()).toEqual({ path: '../../drawings/img/64', missing: [] });
  // A package in the folder that is written comes first.
  await mkdir(join(recipes, '..', 'node_modules', 'drawings', 'img', '64'), { recursive: true });
  expect((await load()).path).toBe('../node_modules/drawings/img/64');
});
