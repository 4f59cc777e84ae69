import { expect, it } from 'vitest';
import { readSchema, stageKinds } from '../../src/runner/schema/schema.js';
import { calibrationRegistry, stageRegistry } from '../../src/stages/registry.js';

it('has every kind that the schema has', async () => {
  expect(stageRegistry.names).toEqual(stageKinds(readSchema('pipeline.schema.json')));
  for (const name of stageRegistry.names) expect((await stageRegistry.load(name)).name).toBe(name);
  await expect(stageRegistry.load('cook')).rejects.toThrow('cook');
});

it('has no kind whose time cannot be told', async () => {
  for (const name of calibrationRegistry.names) {
    const kind = await calibrationRegistry.load(name);
    expect([name, 'is timed by records', 'timing' in kind]).toEqual([name, 'is timed by records', true]);
    // No file names a calibration, so that no plan shows one.
    if (name === 'calibrate') continue;
    expect([name, 'is quick, or measured', kind.isQuick === true || 'measure' in kind]).toEqual([
      ...[name, 'is quick, or measured', true],
    ]);
  }
});
