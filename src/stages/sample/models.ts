import { UserError } from '../../base/errors.js';
import { openTogether } from '../../base/resources.js';
import { sitParameters } from '../../models/sit/config.js';
import { openSitSession } from '../../models/sit/sit.js';
import type { StageContext } from '../../runner/stage.js';
import { type Network, samplingWeights, type SessionModel } from '../../sampling/index.js';
import type { ProgramSession } from '../../tensorflow/index.js';
import { openModelWeights } from '../../weights/model-weights.js';
import { loadWeights } from '../../weights/saved-autoencoder.js';
import { readSavedModel, type SavedModel } from '../../weights/saved-files.js';
import { requireGuidable } from '../shared/guidance.js';
import type { RunnablePlan, SamplePlan } from './plan.js';
import { Sampler } from './sampler.js';
import { requireFollowable } from './sampler-checks.js';

/** A trained model and where it is. */
export interface FoundModel {
  /** Id of its stage. */
  readonly stage: string;
  readonly directory: string;
  readonly saved: SavedModel;
}

/** The models of a `sample` stage. */
export interface FoundModels {
  /** One for each phase. */
  readonly phases: readonly FoundModel[];
  /** Autoguidance's. */
  readonly base?: FoundModel;
}

/**
 * Finds the models that a stage names.
 *
 * @throws UserError `model-mismatch` where they cannot go together; as `requireFollowable` does, and as `requireGuidable`
 * does, where guidance acts
 */
export async function findModels(
  plan: SamplePlan,
  context: Pick<StageContext, 'input'>,
): Promise<FoundModels> {
  const find = async (stage: string): Promise<FoundModel> => {
    const { directory } = context.input(stage);
    return { stage, directory, saved: await readSavedModel(directory) };
  };
  const { acting, weaker } = plan;
  const phases = await Promise.all(plan.phases.map(({ model }) => find(model)));
  for (const { stage, saved } of phases) requireFollowable(stage, saved, plan);
  const base = weaker === undefined ? undefined : await find(weaker);
  for (const other of [...phases.slice(1), ...(base ? [base] : [])]) mustAgree(phases[0]!, other);
  if (acting && base === undefined) for (const { stage, saved } of phases) requireGuidable(stage, saved);
  return { phases, ...(base && { base }) };
}

/** The networks of a stage's phases, their weights in the session. */
async function openNetworks(
  { acting, guidance, config }: SamplePlan,
  { phases, base }: FoundModels,
  session: ProgramSession,
): Promise<readonly Network[]> {
  const weaker = base && (await openModel(base, guidance.weights, session));
  const networks: Network[] = [];
  for (const found of phases) {
    const model = await openModel(found, config.weights, session);
    networks.push({ model, ...(acting && { guidance: acting }), ...(weaker && { base: weaker }) });
  }
  return networks;
}

/** Opens a sampler with the models' weights in a session of its own. */
export async function openSampler(
  plan: RunnablePlan,
  models: FoundModels,
  { seed, runtime }: Pick<StageContext, 'seed' | 'runtime'>,
): Promise<Sampler> {
  const { reverse, likelihood, batch, count } = plan.config;
  return openTogether(async (keep) => {
    const session = keep(openSitSession(runtime));
    return new Sampler({
      session,
      networks: await openNetworks(plan, models, session),
      phases: plan.switching,
      settings: plan.settings,
      mostSamples: batch,
      totalSamples: count,
      seed,
      normalization: models.phases[0]!.saved.normalization,
      likelihood,
      goesBack: likelihood || reverse !== undefined,
    });
  });
}

async function openModel(
  { stage, directory, saved }: FoundModel,
  weights: string,
  session: ProgramSession,
): Promise<SessionModel> {
  const { config, interpolant, prediction } = saved;
  const loaded = await loadWeights(session, sitParameters(config), () =>
    openModelWeights(stage, directory, saved, weights),
  );
  return {
    config,
    transport: { interpolant, prediction },
    weights: await samplingWeights(session, config, loaded),
  };
}

/** Properties that must be alike: states of one model are states of the other. */
const shared: readonly (readonly [name: string, of: (model: SavedModel) => unknown])[] = [
  ['a latent size', ({ config }) => config.latentSize],
  ['latent channels', ({ config }) => config.channels],
  ['a class count', ({ config }) => config.classes],
  ['a prediction', ({ prediction }) => prediction],
  ['an interpolant', ({ interpolant }) => interpolant],
  ['a normalisation of latents', ({ normalization }) => JSON.stringify(normalization)],
];

/** @throws UserError `model-mismatch` where models cannot draw one sample together. */
export function mustAgree(a: FoundModel, b: FoundModel): void {
  for (const [name, of] of shared) {
    if (of(a.saved) === of(b.saved)) continue;
    throw new UserError({
      code: 'model-mismatch',
      message: `Models that share a sample need ${name} in common; ${a.stage} has ${String(of(a.saved))}, ${b.stage} has ${String(of(b.saved))}.`,
      remedy: 'Train them on the same latents, with the same interpolant and prediction.',
    });
  }
  const label = a.saved.classes.findIndex((name, i) => name !== b.saved.classes[i]);
  if (label >= 0)
    throw new UserError({
      code: 'model-mismatch',
      message: `Models that share a sample need the same classes in the same order; class ${label} of ${a.stage} is ${a.saved.classes[label]!}, of ${b.stage} ${b.saved.classes[label]!}.`,
      remedy: 'Train them on the same latents, or name the classes of a pretrained one with `classes`.',
    });
}
