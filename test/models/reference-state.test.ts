import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import { checkState, inferConfig, referenceShapes } from '../../src/models/sit/reference-state.js';
import { fixturePath } from '../support/fixture-checks.js';

/** Shapes within a file that the reference's training script wrote. */
async function referenceState(): Promise<Map<string, readonly number[]>> {
  const file = await openSafetensors(fixturePath('reference_checkpoint.safetensors'));
  try {
    const model = [...file.tensors].filter(([name]) => name.startsWith('model.'));
    return new Map(model.map(([name, { shape }]) => [name.slice('model.'.length), shape]));
  } finally {
    await file.close();
  }
}

describe("the reference's state dict", () => {
  it('tells the sizes of its model', async () => {
    const shapes = await referenceState();
    const config = inferConfig(shapes, 'a.pt');
    expect(config).toEqual({
      latentSize: 8,
      channels: 4,
      patchSize: 2,
      hiddenSize: 32,
      depth: 1,
      heads: 4,
      classes: 7,
      mediators: [4],
      labelDropout: 0.1,
    });
    expect(new Map([...referenceShapes(config)].sort())).toEqual(new Map([...shapes].sort()));
    checkState(shapes, referenceShapes(config), 'a.pt');
  });

  it('names every tensor that is missing, unexpected or of another shape, at once', async () => {
    const shapes = await referenceState();
    const expected = referenceShapes(inferConfig(shapes, 'a.pt'));
    shapes.delete('blocks.0.mlp.fc1.bias');
    shapes.set('blocks.0.attn.qkv.bias', [95]);
    shapes.set('extra.weight', [1]);
    expect(() => {
      checkState(shapes, expected, 'a.pt');
    }).toThrow(
      'a.pt: not the weights of this model:\n' +
        '  blocks.0.attn.qkv.bias has the shape [95], [96] is expected\n' +
        '  blocks.0.mlp.fc1.bias is missing\n' +
        '  extra.weight is not expected',
    );
  });

  it('asks for the heads where no table tells them', async () => {
    const shapes = await referenceState();
    shapes.delete('blocks.0.attn.an_bias');
    expect(() => inferConfig(shapes, 'a.pt')).toThrow(/no tensor tells the number of attention heads/);
    expect(inferConfig(shapes, 'a.pt', { headsOf: () => 4 })).toMatchObject({ heads: 4, mediators: [0] });
  });
});
