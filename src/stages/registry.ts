import type { KindPage, KindPages, ShownKind } from '../pages/kinds.js';
import type { PipelineRules } from '../runner/check.js';
import { pipelineSchema } from '../runner/schema/schema.js';
import { schemaErrors } from '../runner/schema/validator.js';
import type { StageKind, StageRegistry } from '../runner/stage.js';
import { stage as autoencoder } from './autoencoder/kind.js';
import { stage as calibrate } from './calibrate/kind.js';
import { stage as draw } from './draw/kind.js';
import { stage as encode } from './encode/kind.js';
import { stage as evaluate } from './evaluate/kind.js';
import { stage as images } from './images/kind.js';
import { stage as latents } from './latents/kind.js';
import { stage as playground } from './playground/kind.js';
import { stage as pretrained } from './pretrained/kind.js';
import { reportStage } from './report/kind.js';
import { stage as sample } from './sample/kind.js';
import { stage as train } from './train/kind.js';
import { stage as attention } from './attention/kind.js';

/** The one list of kinds, each declared in its folder's `kind.ts`, which loads what runs it only when it runs. */
const kinds: readonly ShownKind<never>[] = [
  images,
  autoencoder,
  encode,
  latents,
  draw,
  train,
  pretrained,
  attention,
  sample,
  evaluate,
  reportStage(kindPages),
  playground,
];

/** Loads what each kind declares of pages. */
export async function kindPages(): Promise<KindPages> {
  const pages = new Map<string, KindPage>();
  for (const { name, page: load } of kinds) {
    const page = await load?.();
    if (page !== undefined) pages.set(name, page);
  }
  return pages;
}

/** Requirements on pipeline files with our kinds of stages. */
export const pipelineRules: PipelineRules = {
  get schema() {
    return pipelineSchema();
  },
  errors: schemaErrors,
  // A check gets stages of its kind alone.
  checks: Object.fromEntries(kinds.map(({ name, checks = [] }) => [name, checks])) as PipelineRules['checks'],
};

export const stageRegistry: StageRegistry = registryOf(kinds);

/** The kinds, and `calibrate`, which no file names: `pipeline calibrate` makes it of a `sample` stage. */
export const calibrationRegistry: StageRegistry = registryOf([...kinds, calibrate]);

function registryOf(all: readonly StageKind<never>[]): StageRegistry {
  return {
    rules: pipelineRules,
    names: all.map(({ name }) => name),
    load: (name) => {
      const kind = all.find((each) => each.name === name);
      return kind === undefined
        ? Promise.reject(new Error(`There is no stage kind ${name}.`))
        : Promise.resolve(kind);
    },
  };
}
