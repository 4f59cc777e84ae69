import { gridOf, hiddenWidth, type SiTConfig, timestepFrequencies } from '../../src/models/sit/config.js';

/** `count` products, each of `batch` pairs of matrices: [rows, inner] · [inner, columns], or with one transposed. */
export interface Product {
  readonly count: number;
  readonly batch: number;
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  readonly transposed?: 'first' | 'second';
}

/** The matrix products of a forward pass over `samples` latents. */
export function forwardProducts(model: SiTConfig, samples: number): Product[] {
  const { hiddenSize: d, heads, patchSize, channels } = model;
  const tokens = gridOf(model) ** 2;
  const patch = patchSize ** 2 * channels;
  const size = d / heads;
  const dense = (count: number, rows: number, inner: number, columns: number): Product => ({
    count,
    batch: 1,
    rows,
    inner,
    columns,
  });
  const scores = (rows: number, columns: number): Product => ({
    ...{ count: 1, batch: heads * samples, rows, inner: size, columns },
    transposed: 'second',
  });
  const sums = (rows: number, inner: number): Product => ({
    ...{ count: 1, batch: heads * samples, rows, inner, columns: size },
  });
  const all = samples * tokens;
  const attention = model.mediators.flatMap((mediators) =>
    mediators === 0
      ? [scores(tokens, tokens), sums(tokens, tokens)]
      : [
          ...[scores(mediators, tokens), sums(mediators, tokens)],
          ...[scores(tokens, mediators), sums(tokens, mediators)],
        ],
  );
  const depth = model.mediators.length;
  const width = hiddenWidth(model);
  return merged([
    ...[dense(1, all, patch, d), dense(1, all, d, patch)],
    ...[dense(1, samples, timestepFrequencies, d), dense(1, samples, d, d), dense(1, samples, d, 2 * d)],
    dense(depth, samples, d, 6 * d),
    ...[dense(depth, all, d, 3 * d), dense(depth, all, d, d)],
    ...[dense(depth, all, d, (model.swiGlu === true ? 2 : 1) * width), dense(depth, all, width, d)],
    ...attention,
  ]);
}

/** The matrix products of a training step: each of the forward pass, and its gradients by both factors. */
export function trainingProducts(model: SiTConfig, samples: number): Product[] {
  return merged(
    forwardProducts(model, samples).flatMap((product) => {
      const { rows, inner, columns } = product;
      return [
        product,
        { ...product, inner: columns, columns: inner, transposed: 'second' as const },
        { ...product, rows: inner, inner: rows, transposed: 'first' as const },
      ];
    }),
  );
}

/** Floating-point operations of some products. */
export function flopsOf(products: readonly Product[]): number {
  return products.reduce(
    (sum, { count, batch, rows, inner, columns }) => sum + 2 * count * batch * rows * inner * columns,
    0,
  );
}

/** Products of one shape as one entry. */
function merged(products: readonly Product[]): Product[] {
  const byShape = new Map<string, Product>();
  for (const product of products) {
    const { batch, rows, inner, columns, transposed = '' } = product;
    const key = [batch, rows, inner, columns, transposed].join(' ');
    const count = (byShape.get(key)?.count ?? 0) + product.count;
    byShape.set(key, { ...product, count });
  }
  return [...byShape.values()];
}
