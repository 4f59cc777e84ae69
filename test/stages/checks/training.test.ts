import { expect, it } from 'vitest';
import { messages, pipelineText } from '../../runner/pipelines.js';

const model = 'model: { name: SiT-S/2, mediators: 4 }';
const withTrain = (keys: string, sample?: string) =>
  pipelineText({
    train: `{ uses: train, latents: latents, steps: 10, ${model}, ${keys} }`,
    sample,
    report: undefined,
  });

it('a batch that does not divide into its parts', async () => {
  expect(await messages(withTrain('globalBatch: 12, accumulate: 3'))).toBe('');
  const found = await messages(withTrain('globalBatch: 10, accumulate: 3'));
  expect(found).toContain(
    'error size-not-divisible: A share of 10 latents a worker cannot be divided into `accumulate: 3` equal parts.',
  );
  expect(found).toContain('The nearest are 9 and 12.');
});

it('rotary positions of heads that have no pairs of channels for both axes', async () => {
  const rotated = (sizes: string) =>
    messages(
      withTrain('globalBatch: 12').replace(
        model,
        `model: { ${sizes}, depth: 1, patchSize: 1, mediators: 4, rope: true }`,
      ),
    );
  expect(await rotated('hiddenSize: 16, heads: 4')).toBe('');
  const found = await rotated('hiddenSize: 24, heads: 4');
  expect(found).toContain("a head's 6 channels cannot be divided by 4.");
  expect(found).toContain('The nearest are 16 and 32.');
});

it('values of the first block, where no block or not every token has them', async () => {
  const mixed = (model: string, routed = '') =>
    messages(
      pipelineText({
        train: `{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 16, heads: 4, patchSize: 1, mediators: 4, valueResidual: true, ${model} }${routed} }`,
        report: undefined,
      }),
    );
  expect(await mixed('depth: 2')).toBe('');
  expect(await mixed('depth: 1')).toContain(
    'no-effect: `valueResidual` would change nothing: no block comes after the first.',
  );
  for (const blocks of ['{}', '{ blocks: [1, 2] }', '{ blocks: [0, 2], share: 0 }'])
    expect(await mixed('depth: 4', `, tokenRouting: ${blocks}`), blocks).toBe('');
  const found = await mixed('depth: 4', ', tokenRouting: { blocks: [0, 2] }');
  expect(found).toContain(
    'unsupported-combination: Blocks mix their values with those of the first, which tokens that bypass it do not have.',
  );
  expect(found).toContain('Use `blocks: [1, 2]`, or remove `valueResidual`.');
  expect(await mixed('depth: 2', ', tokenRouting: { blocks: [0, 0] }')).toContain(
    'Remove either, or use a deeper model.',
  );
});

it('an average that the training does not keep', async () => {
  const sample = (weights: string) =>
    `{ uses: sample, model: train, autoencoder: autoencoder, count: 4, weights: ${weights} }`;
  const averages = 'ema: [0.999, 0.9]';
  for (const weights of ['raw', 'ema', 'ema-0.999', 'ema-0.9'])
    expect(await messages(withTrain(averages, sample(weights))), weights).toBe('');
  const evaluate = 'evaluate: { everySteps: 1, autoencoder: autoencoder, reference: images, best: recall }';
  expect(await messages(withTrain(evaluate, sample('best')))).toBe('');
  expect(await messages(withTrain(averages, sample('best')))).toContain(
    'Use one of `raw`, `ema`, `ema-0.999`, `ema-0.9`, or set `evaluate.best` there.',
  );
  const found = await messages(withTrain(averages, sample('ema-0.99')));
  expect(found).toContain('error average-not-kept: `train` keeps no average `ema-0.99`.');
  expect(found).toContain(
    'Use one of `raw`, `ema`, `ema-0.999`, `ema-0.9`, or add the decay to `ema` there.',
  );
  const taken = (weights: string) =>
    withTrain(
      averages,
      `${sample(weights).replace('model: train', 'model: taken')}\n  taken: { uses: pretrained, path: model }`,
    );
  for (const weights of ['raw', 'ema']) expect(await messages(taken(weights)), weights).toBe('');
  for (const weights of ['best', 'ema-0.999']) {
    expect(await messages(taken(weights))).toContain(`\`taken\` keeps no average \`${weights}\`.`);
    expect(await messages(taken(weights))).toContain('Use one of `raw`, `ema`.');
  }
  expect(await messages(withTrain(averages, sample('average')))).toContain('weights');
  expect(await messages(withTrain('ema: [0.9, 0.9]'))).not.toBe('');
});

it('evaluates within its steps, by figures that it computes, what it can draw', async () => {
  const train = (keys: string) =>
    withTrain(`evaluate: { autoencoder: autoencoder, reference: images, ${keys} }`);
  expect(await messages(train('everySteps: 5, best: precision, metrics: [precisionRecall]'))).toBe('');
  expect(await messages(train('everySteps: 5, best: recall, metrics: [kernelDistance]'))).toContain(
    'error missing-key: `best` goes by a figure that is not computed: `recall`.',
  );
  expect(await messages(train('everySteps: 10000000'))).toContain('error no-effect: The training has');
  expect(
    await messages(train('everySteps: 5, guidanceScale: 2').replace('model: {', 'model: { labelDropout: 0,')),
  ).toContain('error untrained-guidance');
  expect(await messages(train('everySteps: 5').replace('reference: images', 'reference: latents'))).toContain(
    'wrong-stage-kind',
  );
});
