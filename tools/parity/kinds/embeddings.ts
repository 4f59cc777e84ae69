import { timestepEmbedding } from '../../../src/nn/embeddings.js';
import { positionEmbedding } from '../../../src/nn/positions.js';
import { float32, type Tensor, type Tensor1D } from '../../../src/tensorflow/index.js';
import { type Check, expectNear, notUnderstood, type ProgramFixtureKind } from '../check.js';
import type { Execution } from '../execution.js';
import { type Fixture, programInput, readFixture, statedTolerance, stored } from '../fixture.js';

/** Embeddings of times and of positions. */
export const embeddingsKind: ProgramFixtureKind = {
  name: 'embeddings',
  files: /^embeddings.*\.safetensors$/,
  programs: true,
  async checks(path, execution) {
    const fixture = await readFixture(path);
    return [...fixture.tensors.keys()]
      .filter((name) => name !== 't')
      .map((name) => checkOf(fixture, name, execution));
  },
};

/** The check of `timestep_embedding_256` (its size) or `pos_embed_384_16` (size and grid). */
function checkOf(fixture: Fixture, name: string, execution: Execution): Check {
  const expected = stored(fixture, name);
  // Sines and cosines of angles up to hundreds, in single precision.
  const tolerance = { absolute: statedTolerance(fixture, 1e-4) };
  const position = /^pos_embed_(\d+)_(\d+)$/.exec(name);
  if (position !== null) {
    const [size, grid] = position.slice(1).map(Number) as [number, number];
    return expectNear(name, expected, tolerance, () =>
      float32([grid * grid, size], positionEmbedding(size, grid)),
    );
  }
  const time = /^timestep_embedding_(\d+)$/.exec(name);
  if (time === null) return notUnderstood(name);
  return expectNear(name, expected, tolerance, async () => {
    const run = await execution.prepare(({ t }: { t: Tensor }) => ({
      value: timestepEmbedding(t as Tensor1D, Number(time[1])),
    }));
    return (await run({ t: programInput(fixture, 't') })).value;
  });
}
