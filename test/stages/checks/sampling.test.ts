import { describe, expect, it } from 'vitest';
import { load, messages, pipelineText } from '../../runner/pipelines.js';

const base = 'uses: sample, autoencoder: autoencoder, count: 4';
const model = '{ hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }';

/** Codes and places of what is wrong with a `sample` stage, `sample` at line 7 and other stages after the report. */
async function problems(
  sample: string,
  others: Readonly<Record<string, string>> = {},
): Promise<readonly (readonly [code: string, at: string])[]> {
  const text = pipelineText({ sample: `{ ${base}, ${sample} }`, ...others });
  const loaded = await load(text);
  if (loaded.ok) return [];
  return loaded.diagnostics.map(({ code, line, column, endColumn }) => {
    const source = text.split('\n')[line - 1]!;
    return [code, source.slice(column - 1, endColumn - 1)] as const;
  });
}

const trained = (keys: string, modelKeys = model) =>
  `{ uses: train, latents: latents, steps: 10, model: ${modelKeys}, ${keys} }`;

describe('samplers', () => {
  it.each([
    'sampler: { kind: sde, method: heun, diffusion: sbdm, lastStep: tweedie, lastStepSize: 0.02 }',
    'sampler: { kind: sde, lastStep: none, sampleEpsilon: 0.001 }',
    'sampler: { diffusion: sbdm, sampleEpsilon: 0.002 }',
    'sampler: { sampleEpsilon: 0 }',
    'sampler: { kind: ode, method: dopri5, absoluteTolerance: 1e-4, relativeTolerance: 1e-3 }',
    'sampler: { kind: ode, method: adamsBashforth, order: 3, steps: 20 }',
    'sampler: { kind: ode }, likelihood: true',
    'sampler: { kind: ode }, reverse: latents',
    'sampler: { featureCache: { interval: 3, order: 1 } }, guidanceScale: 2',
    'guidance: { scale: 2, interval: [0.2, 0.8], channels: all }',
    'trajectory: { samples: [0, 3], steps: [1, 250] }',
    'classes: [0, 5]',
  ])('takes %s', async (keys) => {
    expect(await problems(`model: train, ${keys}`)).toEqual([]);
  });

  it.each([
    ['kind: ode, method: eulerMaruyama', 'impossible-sampler', 'eulerMaruyama'],
    ['kind: sde, method: rk4', 'impossible-sampler', 'rk4'],
    ['kind: ode, diffusion: sigma', 'no-effect', 'sigma'],
    ['kind: ode, lastStepSize: 0.1', 'no-effect', '0.1'],
    ['order: 3', 'no-effect', '3'],
    ['kind: ode, method: dopri5, timeShift: 3', 'no-effect', '3'],
    ['kind: ode, method: rk4, absoluteTolerance: 0.1', 'no-effect', '0.1'],
    ['sampleEpsilon: 0.001', 'no-effect', '0.001'],
    ['kind: ode, sampleEpsilon: 0.001', 'no-effect', '0.001'],
    ['lastStep: none, lastStepSize: 0.02', 'no-effect', '0.02'],
    ['diffusion: sbdm, sampleEpsilon: 0', 'impossible-sampler', '0'],
    ['method: heun, lastStep: none, sampleEpsilon: 0', 'impossible-sampler', '0'],
    ['lastStepSize: 0', 'impossible-sampler', '0'],
    ['kind: ode, featureCache: { interval: 2 }', 'impossible-sampler', '{ interval: 2 }'],
  ])('refuses %s', async (keys, code, at) => {
    expect(await problems(`model: train, sampler: { ${keys} }`)).toEqual([[code, at]]);
  });

  it('knows what the network puts out', async () => {
    const others = { train: trained('prediction: noise') };
    expect(await problems('model: train, sampler: { kind: ode }', others)).toEqual([]);
    expect(await problems('model: train, sampler: { kind: ode, sampleEpsilon: 0.01 }', others)).toEqual([]);
    expect(await problems('model: train, sampler: { kind: ode, sampleEpsilon: 0 }', others)).toEqual([
      ['impossible-sampler', '0'],
    ]);
  });

  it('says what divides by zero', async () => {
    const sample = `{ ${base}, model: train, sampler: { diffusion: sbdm, sampleEpsilon: 0 } }`;
    expect(await messages(pipelineText({ sample }))).toMatchInlineSnapshot(`
      "p.yaml:7:120 error impossible-sampler: \`train\` cannot be sampled this way: the diffusion "sbdm" divides by alpha, which is 0 at t = 0: sampleEpsilon must be above 0.
          …r, count: 4, model: train, sampler: { diffusion: sbdm, sampleEpsilon: 0 } }
                                                                                 ^
        Remove \`sampleEpsilon\`, whose default keeps away from it, or change the sampler."
    `);
  });
});

describe('guidance', () => {
  it('is written once', async () => {
    expect(await problems('model: train, guidanceScale: 2, guidance: { scale: 3 }')).toEqual([
      ['no-effect', '2'],
    ]);
  });

  it('has an interval and another model to act with', async () => {
    expect(await problems('model: train, guidance: { scale: 2, interval: [0.8, 0.2] }')).toEqual([
      ['empty-interval', '[0.8, 0.2]'],
    ]);
    expect(await problems('model: train, guidance: { scale: 2, model: train }')).toEqual([
      ['self-guidance', 'train'],
    ]);
    expect(await problems('model: train, guidance: { scale: 2, model: train, weights: raw }')).toEqual([]);
  });

  it('needs a null class of every phase, unless a weaker model guides', async () => {
    const others = {
      bare: trained('', model.replace('mediators', 'labelDropout: 0, mediators')).replace(', }', ' }'),
    };
    const phases = 'phases: [{ model: train, switchRatio: 0.9 }, { model: bare }]';
    expect(await problems(`${phases}, guidanceScale: 2`, others)).toEqual([['untrained-guidance', '2']]);
    expect(await problems(`${phases}, guidance: { scale: 2, model: train }`, others)).toEqual([]);
  });
});

describe('phases', () => {
  const second = { second: trained('ema: 0.9') };

  it('takes models that agree', async () => {
    expect(
      await problems(
        'phases: [{ model: train, switchRatio: 0.9 }, { model: second }], firstSteps: 5, distance: mse',
        second,
      ),
    ).toEqual([]);
  });

  it.each([
    ['[{ model: train }, { model: second }]', 'missing-ratio', 'train'],
    [
      '[{ model: train, switchRatio: 0.9 }, { model: second, switchRatio: 0.7 }]',
      'ratio-of-last-phase',
      '0.7',
    ],
    ['[{ model: train, switchRatio: 0 }, { model: second }]', 'out-of-range', '0'],
    ['[{ model: train, switchRatio: 0.9 }, { model: latents }]', 'wrong-stage-kind', 'latents'],
    ['[{ model: train, switchRatio: 0.9 }, { model: second }], firstSteps: 248', 'no-steps-left', '248'],
    ['[{ model: train, switchRatio: 0.9 }, { model: second }], model: train', 'conflicting-keys', 'phases'],
  ])('refuses %s', async (phases, code, at) => {
    expect(await problems(`phases: ${phases}`, second)).toEqual([[code, at]]);
  });

  it.each([
    ['prediction', { second: trained('prediction: noise') }],
    ['interpolant', { second: trained('interpolant: gvp') }],
    [
      'latent size',
      {
        small: '{ uses: images, path: photos, size: 16 }',
        smallLatents: '{ uses: encode, images: small, autoencoder: autoencoder }',
        second: trained('ema: 0.9').replace('latents: latents', 'latents: smallLatents'),
      },
    ],
    [
      'classes',
      {
        images: '{ uses: images, path: photos, size: 32, classes: [a, b] }',
        others: '{ uses: images, path: photos, size: 32, classes: [a, b, c] }',
        otherLatents: '{ uses: encode, images: others, autoencoder: autoencoder }',
        second: trained('ema: 0.9').replace('latents: latents', 'latents: otherLatents'),
      },
    ],
  ])('refuses models that differ in %s', async (_, others) => {
    const found = await problems('phases: [{ model: train, switchRatio: 0.9 }, { model: second }]', others);
    expect(found).toEqual([['model-mismatch', 'second']]);
  });

  it.each([
    ['cat, dog', []],
    ['dog, cat', [['model-mismatch', 'second']]],
    ['cat, cow', [['model-mismatch', 'second']]],
  ])(
    'takes models of the same classes in the same order only: [cat, dog] and [%s]',
    async (names, expected) => {
      const others = {
        images: '{ uses: images, path: photos, size: 32, classes: [cat, dog] }',
        others: `{ uses: images, path: photos, size: 32, classes: [${names}] }`,
        otherLatents: '{ uses: encode, images: others, autoencoder: autoencoder }',
        second: trained('ema: 0.9').replace('latents: latents', 'latents: otherLatents'),
      };
      const phases = 'phases: [{ model: train, switchRatio: 0.9 }, { model: second }]';
      expect(await problems(phases, others)).toEqual(expected);
      expect(await problems('model: train, guidance: { scale: 2, model: second }', others)).toEqual(expected);
    },
  );

  it('matter for their keys', async () => {
    expect(await problems('model: train, firstSteps: 2')).toEqual([['no-effect', '2']]);
  });
});

describe('ways back', () => {
  it.each([
    ['likelihood: true', 'impossible-sampler', 'true'],
    ['reverse: latents', 'impossible-sampler', 'latents'],
    ['likelihood: true, sampler: { kind: ode }, guidanceScale: 2', 'undefined-likelihood', 'true'],
    ['reverse: latents, sampler: { kind: ode }, classes: random', 'no-effect', 'random'],
  ])('refuses %s', async (keys, code, at) => {
    expect(await problems(`model: train, ${keys}`)).toEqual([[code, at]]);
  });
});

it('refuses classes, samples and steps that are not there', async () => {
  const images = '{ uses: images, path: photos, size: 32, classes: [a, b] }';
  expect(await problems('model: train, classes: [a, 2, c]', { images })).toEqual([
    ['unknown-class', '2'],
    ['unknown-class', 'c'],
  ]);
  expect(await problems('model: train, trajectory: { samples: [4], steps: [251] }')).toEqual([
    ['out-of-range', '4'],
    ['out-of-range', '251'],
  ]);
});
