import { describe, expect, it } from 'vitest';
import { layoutGraph } from '../../src/pages/graph.js';

const node = (id: string, ...after: string[]) => ({ id, after });

describe('the layout of the graph', () => {
  it('puts every stage right of those it reads, and long lines in lanes that do not touch', () => {
    const layout = layoutGraph([
      node('sample', 'train', 'autoencoder'),
      node('images'),
      node('autoencoder', 'images'),
      node('latents', 'images', 'autoencoder'),
      node('train', 'latents', 'not in the report'),
    ]);
    const columns = Object.fromEntries(layout.nodes.map(({ id, column }) => [id, column]));
    expect(columns).toEqual({ images: 0, autoencoder: 1, latents: 2, train: 3, sample: 4 });
    const lanes = Object.fromEntries(layout.edges.map(({ from, to, lane }) => [`${from.id} ${to.id}`, lane]));
    expect(lanes).toEqual({
      'train sample': undefined,
      'autoencoder sample': 1,
      'images autoencoder': undefined,
      'images latents': 0,
      'autoencoder latents': undefined,
      'latents train': undefined,
    });
    expect(layout).toMatchObject({ columns: 5, rows: 1, lanes: 2 });
  });

  it('stacks stages of one column', () => {
    const layout = layoutGraph([node('a'), node('b', 'a'), node('c', 'a'), node('d', 'b', 'c')]);
    expect(layout).toMatchObject({ columns: 3, rows: 2, lanes: 0 });
    expect(layout.nodes[2]).toEqual({ id: 'c', column: 1, row: 1 });
  });
});
