import { expect, it } from 'vitest';
import { readSchema, stageKinds } from '../../src/runner/schema/schema.js';
import { stageRegistry } from '../../src/stages/registry.js';

it('has every kind that the schema has', async () => {
  expect(stageRegistry.names).toEqual(stageKinds(readSchema('pipeline.schema.json')));
  for (const name of stageRegistry.names) expect((await stageRegistry.load(name)).name).toBe(name);
  await expect(stageRegistry.load('cook')).rejects.toThrow('cook');
});
