import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { PlaygroundConfig, SampleConfig, TrainConfig } from '../../src/generated/index.js';
import { type Pipeline, seedOf } from '../../src/runner/pipeline.js';
import { modelConfig } from '../../src/stages/train/config.js';
import { load, pipelineText } from '../runner/pipelines.js';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { drawn, openPage, PlaygroundBench } from '../support/playground.js';
import { describeUnless } from '../support/unless.js';

/** Values of keys of `train`'s model, of `sample` and of a page, each as it stands in a file; '' where the key is not written. */
const factors = {
  interpolant: ['linear', 'gvp', 'vp'],
  prediction: ['velocity', 'score', 'noise', 'data'],
  mediators: ['0', '4', '[0, 4]', '[{ blocks: [1, 1], mediators: 9 }]'],
  patchSize: ['1', '2'],
  labelDropout: ['0.1', '0'],
  qkNorm: ['true', 'false'],
  rmsNorm: ['true', 'false'],
  swiGlu: ['true', 'false'],
  rope: ['true', 'false', '3'],
  valueResidual: ['true', 'false'],
  mediatorExtras: ['true', ''],
  sampler: [
    'sde eulerMaruyama',
    'sde heun',
    'ode euler',
    'ode midpoint',
    'ode heun',
    'ode heun3',
    'ode rk4',
    'ode dopri5',
    'ode adamsBashforth',
  ],
  diffusion: ['constant', 'sbdm', 'sigma', 'linear', 'decreasing', 'increasingDecreasing', ''],
  diffusionNorm: ['0.5', ''],
  lastStep: ['mean', 'tweedie', 'euler', 'none'],
  lastStepSize: ['0.1', ''],
  timeShift: ['3', '{ baseTokens: 16 }', ''],
  order: ['1', '2', '3', '4'],
  relativeTolerance: ['0.01', ''],
  sampleEpsilon: ['0.01', '0', ''],
  featureCache: ['{ interval: 2 }', '{ interval: 3, order: 0, firstSteps: 1 }', ''],
  guidance: [
    '',
    'guidanceScale: 2, guidanceChannels: 3',
    'guidance: { scale: 3, channels: all, interval: [0.2, 0.7] }',
    'guidance: { scale: 2, channels: all, model: weaker }',
    'guidance: { scale: 0.5, channels: 3, model: weaker, weights: raw }',
  ],
  phases: ['1', '2', '3'],
  distance: ['mae', 'mse'],
  firstSteps: ['1', '3'],
  weights: ['ema', 'raw'],
} as const;

type Name = keyof typeof factors;
type Row = Partial<Record<Name, string>>;

const names = Object.keys(factors) as Name[];

/** A row without what its other values leave no place for, as tests of `sample`'s rules have it. */
function fitting(row: Row): Row {
  const without = new Set<Name>();
  const drop = (...keys: Name[]) => {
    for (const key of keys) without.add(key);
  };
  const isSde = row.sampler!.startsWith('sde');
  if (!isSde) drop('diffusion', 'diffusionNorm', 'lastStep', 'lastStepSize');
  if (row.sampler !== 'ode adamsBashforth') drop('order');
  if (row.sampler === 'ode dopri5') drop('timeShift');
  else drop('relativeTolerance');
  if (row.lastStep === 'none') drop('lastStepSize');
  const ofAlpha = row.prediction === 'score' || row.prediction === 'noise';
  const [endsAtSigma, startsAtAlpha] = isSde
    ? [row.lastStep === 'none', row.interpolant !== 'vp' && (ofAlpha || row.diffusion === 'sbdm')]
    : [row.interpolant === 'vp' || ofAlpha, false];
  if (row.sampleEpsilon === '0.01' && !endsAtSigma && !startsAtAlpha) drop('sampleEpsilon');
  const divides = row.prediction !== 'velocity' || row.interpolant === 'vp' || isSde;
  if (row.sampleEpsilon === '0' && divides) drop('sampleEpsilon');
  if (row.phases === '1') drop('distance', 'firstSteps');
  if (row.mediators === '4') drop('mediatorExtras');
  if (!/Maruyama|euler$/.test(row.sampler!) || row.guidance!.includes('weaker')) drop('featureCache');
  if (row.labelDropout === '0' && row.guidance !== '' && !row.guidance!.includes('weaker'))
    drop('labelDropout');
  const left = Object.entries(row).filter(([key]) => !without.has(key as Name));
  return Object.fromEntries(left);
}

function flow(values: Readonly<Record<string, string | undefined>>): string {
  const written = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return `{ ${written.map(([key, value]) => `${key}: ${value!}`).join(', ')} }`;
}

const training = (row: Row, changes: object = {}) =>
  flow({
    ...{ uses: 'train', latents: 'latents', steps: '10' },
    ...{ interpolant: row.interpolant, prediction: row.prediction },
    model: flow({
      ...{ hiddenSize: '24', depth: '2', heads: '2' },
      ...Object.fromEntries(
        (
          [
            'mediators',
            'patchSize',
            'labelDropout',
            'qkNorm',
            'rmsNorm',
            'swiGlu',
            'rope',
            'valueResidual',
            'mediatorExtras',
          ] as const
        ).map((key) => [key, row[key]]),
      ),
      ...changes,
    }),
  });

function stagesOf(row: Row): Record<string, string> {
  const [kind, method] = row.sampler!.split(' ') as [string, string];
  const {
    guidance,
    phases,
    distance,
    firstSteps,
    weights,
    diffusion,
    diffusionNorm,
    lastStep,
    lastStepSize,
  } = row;
  const { timeShift, order, relativeTolerance, sampleEpsilon, featureCache } = row;
  const sampler = flow({
    ...{ kind, method, steps: '8', diffusion, diffusionNorm, lastStep, lastStepSize },
    ...{ timeShift, order, relativeTolerance, sampleEpsilon, featureCache },
  });
  const models = ['train', 'second', 'third'].slice(0, Number(phases));
  const list = models.map((model, i) =>
    flow({ model, ...(i < models.length - 1 && { switchRatio: i === 0 ? '1.3' : '0.95' }) }),
  );
  const drawing = [
    phases === '1' ? 'model: train' : `phases: [${list.join(', ')}]`,
    ...(distance === undefined ? [] : [`distance: ${distance}`, `firstSteps: ${firstSteps!}`]),
    ...['autoencoder: autoencoder', `weights: ${weights!}`, `sampler: ${sampler}`],
    ...(guidance === '' ? [] : [guidance!]),
  ].join(', ');
  return {
    autoencoder: '{ uses: autoencoder, images: images, channels: [8, 8, 8], steps: 10 }',
    train: training(row),
    second: training(row, { mediators: '0', mediatorExtras: undefined }),
    third: training(row, { mediators: '1', mediatorExtras: undefined }),
    weaker: training(row, { mediators: '1', mediatorExtras: undefined }),
    sample: `{ uses: sample, count: 9, ${drawing} }`,
    page: `{ uses: playground, weightType: float32, ${drawing} }`,
  };
}

/** Values of a row, and pairs of them, with what each counts. */
function* partsOf(row: Row): Generator<readonly [part: string, weight: number]> {
  const values = Object.entries(row).map(([name, value]) => `${name}: ${value}`);
  for (const [i, a] of values.entries()) {
    yield [a, 50];
    for (const b of values.slice(i + 1)) yield [`${a} + ${b}`, 1];
  }
}

/** Rows of which each, of many at random, has most values, and pairs of them, that those before have not. */
function covering(count: number): Row[] {
  let state = 1;
  const below = (end: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
  const seen = new Set<string>();
  return Array.from({ length: count }, () => {
    const candidates = Array.from({ length: 300 }, () =>
      fitting(Object.fromEntries(names.map((name) => [name, factors[name][below(factors[name].length)]!]))),
    );
    const fresh = candidates.map((row) =>
      [...partsOf(row)].reduce((sum, [part, weight]) => sum + (seen.has(part) ? 0 : weight), 0),
    );
    const row = candidates[fresh.indexOf(Math.max(...fresh))]!;
    for (const [part] of partsOf(row)) seen.add(part);
    return row;
  });
}

const rows = covering(24);

/** Part of the latents' size, a tenth of what pages promise: sums in another order moved them by 1.6 × 10⁻⁵ at most. */
const most = 1e-4;
/** The same of a method whose steps are as long as an error allows, 0.001: of rounding, steps become others. */
const mostAdaptive = 5e-3;

it('covers every value', () => {
  for (const name of names)
    expect(new Set(rows.flatMap((row) => row[name] ?? []))).toEqual(new Set(factors[name]));
});

describeUnless(whyNoBrowser, 'pages with every switch', () => {
  let browser: Browser;
  let bench: PlaygroundBench;

  beforeAll(async () => {
    bench = await PlaygroundBench.open();
    browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
  });
  afterAll(async () => {
    await browser.close();
    await bench.close();
  });

  it.each(rows.map((row, i) => [i, row] as const))(
    'of row %i draw what `sample` draws, and what their text says when they are changed',
    { timeout: 240_000 },
    async (i, row) => {
      const stages = stagesOf(row);
      const { stages: loaded } = await mustLoad(stages);
      for (const [k, id] of ['train', 'second', 'third', 'weaker'].entries()) {
        const config = loaded.get(id)!.config as unknown as TrainConfig;
        const { interpolant, prediction } = config;
        const model = modelConfig(config, { latentSize: 8, channels: 4, classes: 3 });
        await bench.models.addModel(id, 10 * i + k, model, { interpolant, prediction }, 0.1);
      }
      const page = await bench.page(loaded.get('page')!.config as unknown as PlaygroundConfig);
      const { tab, complaints } = await openPage(browser, page);
      await tab.selectOption('#backend', 'wasm');
      const sample = loaded.get('sample')!.config as unknown as SampleConfig;
      const first = await bench.difference(await latentsOf(tab), sample);
      await change(tab, i);
      const latents = await latentsOf(tab);
      const text = (await tab.textContent('#as-stage'))!;
      const { sample: own } = parse(text) as { sample: object };
      const again = await mustLoad({
        ...stages,
        sample: undefined,
        page: undefined,
        again: JSON.stringify(own),
      });
      const { config } = again.stages.get('again')!;
      const second = await bench.difference(
        latents,
        config as unknown as SampleConfig,
        seedOf(again, again.stages.get('again')!),
      );
      expect(first, 'as the stage has it').toBeLessThan(row.sampler === 'ode dopri5' ? mostAdaptive : most);
      expect(second, text).toBeLessThan(text.includes('dopri5') ? mostAdaptive : most);
      expect(complaints).toEqual([]);
      await tab.context().close();
    },
  );
});

async function mustLoad(stages: Readonly<Record<string, string | undefined>>): Promise<Pipeline> {
  const loaded = await load(pipelineText({ sample: undefined, report: undefined, ...stages }));
  if (loaded.ok) return loaded.pipeline;
  throw new Error(loaded.diagnostics.map(({ code, message }) => `${code}: ${message}`).join('\n'));
}

async function latentsOf(tab: Page) {
  const result = drawn(tab);
  await tab.click('#draw');
  return (await result).latents;
}

/** Moves every control of a page, to other values in each row. */
async function change(tab: Page, i: number): Promise<void> {
  const ratios = await tab.locator('.phases input').all();
  const samplers = await tab.locator('#sampler option').allTextContents();
  const label = samplers[i % samplers.length]!;
  // Where steps depend on rounding, so does the step that switches.
  const isOpen = label === 'dopri5' && ratios.length > 0;
  await tab.selectOption('#sampler', isOpen ? { label: 'rk4' } : { index: i % samplers.length });
  await tab.fill('#steps', String(7 + (i % 5)));
  await tab.fill('#seed', String(i));
  if ((await tab.locator('#guidance').count()) > 0) await tab.fill('#guidance', ['1', '1.5', '4'][i % 3]!);
  for (const [k, ratio] of ratios.entries()) await ratio.fill(['1.2', '0.9', '0.7'][(i + k) % 3]!);
  if (i % 2 === 1) await tab.selectOption('#class', '1');
  await tab.selectOption('#count', '4');
}
