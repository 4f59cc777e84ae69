import { expect, it } from 'vitest';
import { load, messages, pipelineText } from '../../runner/pipelines.js';

/** Codes and places of what is wrong with an `evaluate` stage. */
async function problems(
  evaluate: string,
  others: Readonly<Record<string, string>> = {},
): Promise<readonly (readonly [code: string, at: string])[]> {
  const text = pipelineText({ evaluate: `{ uses: evaluate, ${evaluate} }`, ...others });
  const loaded = await load(text);
  if (loaded.ok) return [];
  return loaded.diagnostics.map(({ code, line, column, endColumn }) => [
    code,
    text.split('\n')[line - 1]!.slice(column - 1, endColumn - 1),
  ]);
}

it.each([
  'samples: sample, reference: images, metrics: [fid, sfid, inceptionScore, precisionRecall], inceptionFile: g.pb',
  'samplesFile: s.npz, referenceFile: r.npz, metrics: [fid], inceptionFile: g.pb',
  'samples: sample, metrics: [inceptionScore], inceptionFile: g.pb',
  'samples: sample, reference: latents, autoencoder: autoencoder, metrics: [latentFrechetDistance]',
  'samples: sample, reference: images, autoencoder: autoencoder, metrics: [fid, latentFrechetDistance], inceptionFile: g.pb, latentGrid: 8',
  'samples: sample, reference: images, metrics: [frechetDistance, kernelDistance, precisionRecall, classAgreement]',
  'samples: sample, reference: images, metrics: [kernelDistance], features: inception, inceptionFile: g.pb',
  'samples: sample, reference: images, metrics: [fid, kernelDistance], features: efficientnet, inceptionFile: g.pb',
])('takes %s', async (keys) => {
  expect(await problems(keys)).toEqual([]);
});

it.each([
  ['reference: images, metrics: [fid]', 'missing-key', 'fid'],
  ['metrics: [sfid], inceptionFile: g.pb', 'missing-key', 'sfid'],
  ['reference: images, metrics: [latentFrechetDistance]', 'missing-key', 'latentFrechetDistance'],
  ['reference: latents, metrics: [fid], inceptionFile: g.pb', 'latents-not-images', 'latents'],
  ['reference: images, referenceFile: r.npz, metrics: [fid], inceptionFile: g.pb', 'no-effect', 'r.npz'],
  ['reference: images, metrics: [fid], inceptionFile: g.pb, latentGrid: 2', 'no-effect', '2'],
  [
    'reference: images, metrics: [latentFrechetDistance], autoencoder: autoencoder, inceptionFile: g.pb',
    'no-effect',
    'g.pb',
  ],
  [
    'reference: images, metrics: [latentFrechetDistance], autoencoder: autoencoder, latentGrid: 9',
    'grid-too-fine',
    '9',
  ],
  [
    'samplesFile: s.npz, reference: images, metrics: [fid], inceptionFile: g.pb',
    'conflicting-keys',
    'samplesFile',
  ],
  ['reference: train, metrics: [fid], inceptionFile: g.pb', 'wrong-stage-kind', 'train'],
  ['metrics: [frechetDistance]', 'missing-key', 'frechetDistance'],
  ['reference: images, metrics: [kernelDistance], features: inception', 'missing-key', 'kernelDistance'],
  ['reference: latents, metrics: [classAgreement]', 'latents-not-images', 'latents'],
  [
    'reference: images, metrics: [kernelDistance], features: efficientnet, inceptionFile: g.pb',
    'no-effect',
    'g.pb',
  ],
  [
    'reference: images, metrics: [latentFrechetDistance], autoencoder: autoencoder, features: efficientnet',
    'no-effect',
    'efficientnet',
  ],
  ['reference: images, metrics: [fod], inceptionFile: g.pb', 'unknown-value', 'fod'],
])('refuses %s', async (keys, code, at) => {
  expect(await problems(`samples: sample, ${keys}`)).toEqual([[code, at]]);
});

it('wants latents of one autoencoder, and images that it can encode', async () => {
  const other = '{ uses: autoencoder, images: images, channels: [8, 16, 32], steps: 20 }';
  const latents = 'samples: sample, reference: latents, autoencoder: other, metrics: [latentFrechetDistance]';
  expect(await problems(latents, { other })).toEqual([['latents-mismatch', 'other']]);
  const odd = '{ uses: images, path: photos, size: 30 }';
  const images =
    'samples: sample, reference: odd, autoencoder: autoencoder, metrics: [latentFrechetDistance]';
  expect(await problems(images, { odd })).toEqual([['size-not-divisible', 'odd']]);
});

it('says what to do', async () => {
  expect(
    await messages(
      pipelineText({ evaluate: '{ uses: evaluate, samples: sample, reference: images, metrics: [fid] }' }),
    ),
  ).toBe(
    `p.yaml:9:77 error missing-key: \`fid\` needs the ADM evaluator's network: \`inceptionFile\`.
      evaluate: { uses: evaluate, samples: sample, reference: images, metrics: [fid] }
                                                                                ^^^
  Add \`inceptionFile\`, or leave \`fid\` out.`,
  );
});
