import type { Parameter } from '../nn/parameter.js';
import {
  checkInputs,
  type HostTensor,
  type HostTensors,
  type Session,
  VariableStore,
} from '../tensorflow/index.js';
import type { AdamWSlot } from './adamw.js';
import {
  averageGroups,
  LossScale,
  type LossScaleState,
  type StateGroup,
  stateGroups,
} from './checkpoint-manifest.js';
import { checkDivides } from './gradients.js';
import {
  checkStep,
  inNameOrder,
  type StepResult,
  type Trainer,
  type TrainerOptions,
  type ValueOf,
} from './trainer.js';
import { TrainingStep } from './training-step.js';

/**
 * A training whose state lives in a session; `read` and `write` carry it to and from checkpoints.
 *
 * Where the session belongs to a group of workers, each gives its share of the global batch: losses, figures and
 * gradients are averaged over them, so that all take the same step.
 *
 * The first step traces: until then the session's graph is small, and setting the state takes no time.
 */
export class SessionTrainer implements Trainer {
  readonly groups: readonly StateGroup[];
  readonly parameters: readonly Parameter[];
  private readonly stores: ReadonlyMap<StateGroup, VariableStore>;
  private readonly slots: readonly AdamWSlot[];
  /** Operations that set averages to the weights, and moments to zero. */
  private readonly fromWeights: readonly bigint[];
  private traced: TrainingStep | undefined;
  private scale: LossScale | undefined;

  constructor(
    private readonly session: Session,
    private readonly options: TrainerOptions,
  ) {
    const { parameters, averageDecays, inputs, accumulation } = options;
    if (accumulation !== undefined) checkDivides(inputs, accumulation);
    this.groups = stateGroups(averageDecays);
    this.parameters = inNameOrder(parameters);
    if (session.options.precision === 'float16') this.scale = new LossScale();

    const variables = new Map(
      this.groups.map((group) => [
        group,
        parameters.map(({ name, shape }) =>
          session.variable(group === 'weights' ? name : `${name} (${group})`, shape),
        ),
      ]),
    );
    this.slots = parameters.map((_, i): AdamWSlot => ({
      weights: variables.get('weights')![i]!,
      firstMoment: variables.get('firstMoment')![i]!,
      secondMoment: variables.get('secondMoment')![i]!,
      averages: averageGroups(averageDecays).map((group) => variables.get(group)![i]!),
    }));
    const places = this.parameters.map((parameter) => parameters.indexOf(parameter));
    this.stores = new Map(
      [...variables].map(([group, each]) => [
        group,
        new VariableStore(
          session,
          places.map((i) => each[i]!),
        ),
      ]),
    );
    this.fromWeights = this.slots.flatMap(({ weights, averages, firstMoment, secondMoment }) => [
      ...averages.map((average) => average.assign(weights.read())),
      // Zeros that followed from constants would be computed beforehand, and kept as long as the session.
      ...[firstMoment, secondMoment].map((moment) =>
        moment.assign(session.graph.node('ZerosLike', [weights.read()])),
      ),
    ]);
  }

  get lossScale(): LossScaleState | undefined {
    return this.scale?.toJSON();
  }

  restoreLossScale(state: LossScaleState | undefined): void {
    if (this.scale !== undefined) this.scale = new LossScale(state);
  }

  async start(weightOf: ValueOf): Promise<void> {
    await this.write('weights', weightOf);
    await this.session.run([], [], this.fromWeights);
  }

  async step(
    inputs: HostTensors,
    learningRate: number,
    updates: number,
    wishToStop = false,
  ): Promise<StepResult> {
    checkStep(learningRate, updates);
    checkInputs(inputs, this.options.inputs);
    this.traced ??= new TrainingStep(this.session, this.options, this.slots, this.scale !== undefined);
    const result = await this.traced.run(inputs, learningRate, updates, wishToStop, this.scale?.scale);
    this.scale?.update(result.applied);
    return result;
  }

  async *read(group: StateGroup): AsyncGenerator<readonly [name: string, value: HostTensor]> {
    let i = 0;
    for await (const [, value] of this.store(group).read()) yield [this.parameters[i++]!.name, value];
  }

  async write(group: StateGroup, valueOf: ValueOf): Promise<void> {
    const store = this.store(group);
    const names = new Map(store.variables.map((variable, i) => [variable, this.parameters[i]!.name]));
    await store.write((variable) => valueOf(names.get(variable)!));
  }

  private store(group: StateGroup): VariableStore {
    const store = this.stores.get(group);
    if (store === undefined) throw new Error(`This training keeps no ${group}.`);
    return store;
  }
}
