import type { KindPage, KindPages, ShownKind } from '../pages/kinds.js';
import type { StageRegistry } from '../runner/stage.js';
import { pipelineRules } from './rules.js';

/** The kinds of stages there are, each declared in its folder's `kind.ts`, which loads what runs it only when it runs. */
const kinds: Readonly<Record<string, () => Promise<{ readonly stage: ShownKind<never> }>>> = {
  images: () => import('./images/kind.js'),
  autoencoder: () => import('./autoencoder/kind.js'),
  encode: () => import('./encode/kind.js'),
  train: () => import('./train/kind.js'),
  pretrained: () => import('./pretrained/kind.js'),
  sample: () => import('./sample/kind.js'),
  evaluate: () => import('./evaluate/kind.js'),
  report: async () => ({ stage: (await import('./report/kind.js')).reportStage(kindPages) }),
};

/** Loads what each kind declares of pages. */
export async function kindPages(): Promise<KindPages> {
  const pages = new Map<string, KindPage>();
  for (const [name, load] of Object.entries(kinds)) {
    const page = await (await load()).stage.page?.();
    if (page !== undefined) pages.set(name, page);
  }
  return pages;
}

export const stageRegistry: StageRegistry = {
  rules: pipelineRules,
  names: Object.keys(kinds),
  load: async (name) => {
    const load = kinds[name];
    if (load === undefined) throw new Error(`There is no stage kind ${name}.`);
    return (await load()).stage;
  },
};

/** The kinds, and `calibrate`, which no file names: `pipeline calibrate` makes it of a `sample` stage. */
export const calibrationRegistry: StageRegistry = {
  ...stageRegistry,
  names: [...stageRegistry.names, 'calibrate'],
  load: async (name) =>
    name === 'calibrate' ? (await import('./calibrate/kind.js')).stage : stageRegistry.load(name),
};
