import { counted, formatBytes } from '../../base/format.js';
import type { SampleConfig } from '../../generated/index.js';
import type { RuntimeConfig, StageFact } from '../../runner/stage.js';
import { plannedAutoencoderModel, plannedModel, type Resolve } from '../shared/planned.js';
import { guidanceOf, phasesOf } from './config.js';
import { drawnAtOnce, expectedMemory, type SampledModels } from './memory.js';
import { activeGuidance } from './settings.js';

/** Describes the needs of a sampling, as far as configurations and cached outputs tell. */
export async function describeSample(
  config: SampleConfig,
  resolve: Resolve,
  { workers }: Pick<RuntimeConfig, 'workers'>,
): Promise<readonly StageFact[]> {
  const models = await plannedModels(config, resolve);
  if (models === undefined) return [];
  const bytes = expectedMemory(config, models, workers);
  return [
    {
      label: 'memory',
      bytes,
      value: `about ${formatBytes(bytes)}${workers > 1 ? ' a worker' : ''} for ${counted(drawnAtOnce(config), 'sample')} at once`,
    },
  ];
}

/** The models of the stage, where all of them are known. */
async function plannedModels(config: SampleConfig, resolve: Resolve): Promise<SampledModels | undefined> {
  const weaker = activeGuidance(config) && guidanceOf(config).model;
  const autoencoder = await plannedAutoencoderModel(config.autoencoder, resolve);
  const base = weaker === undefined ? undefined : await plannedModel(weaker, resolve);
  const phases: SampledModels['phases'][number][] = [];
  for (const { model } of phasesOf(config)) {
    const planned = await plannedModel(model, resolve);
    if (planned !== undefined) phases.push(planned);
  }
  const isKnown =
    phases.length === phasesOf(config).length && (weaker === undefined) === (base === undefined);
  return isKnown && autoencoder ? { phases, base, autoencoder } : undefined;
}
